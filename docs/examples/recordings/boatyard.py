"""Forty documents of a company that does not exist: contracts, minutes and mails, the same on every machine."""

from __future__ import annotations

from pathlib import Path
from random import Random

__all__ = ["boatyard", "write_boatyard"]

_COMPANY = "Norrvik Boatworks"

# number, supplier, goods, value of a year, begins, ends, how it may be ended
_CONTRACTS = (
    ("C-2019-02", "Halden Steel", "plate steel", 640_000, "1 January 2019", "31 December 2027",
     "The contract has a fixed term and cannot be ended before it is over, except for good cause."),
    ("C-2020-05", "Solvang Glass", "windows and portlights", 88_000, "1 May 2020", "30 April 2027",
     "Either party may end the contract with twelve months' notice to 30 April of a year."),
    ("C-2020-07", "Kolsnes Engines", "diesel and electric drives", 910_000, "1 July 2020", "30 June 2028",
     "If the Supplier raises its prices by more than 4 per cent within a calendar year, the Customer may end the contract as of the "
     "day of the increase and owes nothing for it. The letter must have arrived within thirty days of the announcement."),
    ("C-2021-01", "Eide Electronics", "navigation instruments", 205_000, "1 February 2021", "31 January 2028",
     "The Customer may end the contract at any time against a compensation of six monthly instalments."),
    ("C-2021-04", "Tarn Coatings", "hull and tank coatings", 310_000, "1 April 2021", "31 March 2028",
     "Before its term is over the contract may be ended for good cause only. It is good cause, among others, if prices rise by more "
     "than 4 per cent in the course of a calendar year; the Customer may then end the contract as of the day of the increase, without "
     "compensation, by a letter that arrives no later than thirty days after the increase was announced."),
    ("C-2021-09", "Mellom Logistics", "transport of hulls", 142_000, "1 October 2021", "30 September 2027",
     "Either party may end the contract with nine months' notice to the end of a calendar year."),
    ("C-2022-01", "Vestby Rope", "ropes and rigging", 265_000, "1 January 2022", "31 December 2028",
     "If the price increases of a calendar year add up to more than 5 per cent, the Customer may end the contract without compensation. "
     "The letter must have arrived within thirty days of the announcement of the increase by which they do."),
    ("C-2022-06", "Rauma Sailmakers", "sails", 174_000, "1 June 2022", "31 May 2029",
     "The contract has a fixed term. Whoever ends it earlier pays half of what the other party would have earned."),
    ("C-2023-03", "Brattland Timber", "oak, larch and plywood", 380_000, "1 March 2023", "open",
     "The Customer may end the contract with three months' notice to the end of a quarter. If by then it has taken less than 80 per cent "
     "of the quantity agreed for the year, it pays the price of what is missing."),
    ("C-2023-08", "Fjord Fasteners", "screws, bolts and fittings", 61_000, "1 September 2023", "31 August 2026",
     "The contract is prolonged by three years unless it is ended six months before its term is over."),
    ("C-2024-02", "Grimstad Resins", "epoxy resins", 228_000, "1 March 2024", "28 February 2029",
     "The Customer may end the contract as of 31 December against a compensation of 15 per cent of the value of the remaining years."),
    ("C-2024-05", "Lista Upholstery", "cushions and covers", 47_000, "1 May 2024", "30 April 2027",
     "Either party may end the contract with six months' notice to 30 April of a year."),
)  # fmt: skip

_MINUTES = {
    "2024-02-15-board": """Present: Odd Fure (chair), Marit Dahl, Renate Vik, Tor Elvestad (managing director).
1. The rules of procedure are adopted. Section 7: Contracts with a yearly value of more than 250,000 are concluded, changed and ended
by a letter that the managing director and the head of purchasing sign together. Below that, the head of purchasing signs alone.
Section 8: If one of these offices is vacant, the chair of the board signs in the place of who would hold it.
2. The slipway is to be renewed in 2025.""",
    "2025-03-20-board": """Present: Odd Fure (chair), Marit Dahl, Renate Vik, Tor Elvestad.
1. The accounts for 2024 are approved. 2. The slipway: the offer of Sandnes Marine is accepted.
3. Ingrid Solberg reports on purchasing: prices have risen by 2 to 3 per cent, which was expected.""",
    "2025-11-06-management": """Present: Tor Elvestad, Ingrid Solberg, Jon Aas (production), Nina Berg (finance).
1. Orders for 2026: eleven hulls. 2. Solberg will ask all suppliers to announce increases two months ahead.""",
    "2026-02-12-management": """Present: Tor Elvestad, Ingrid Solberg, Jon Aas, Nina Berg.
1. The paint shop complains of Tarn's primer, again; Aas collects the cases. 2. The canteen closes at 14:30 from March on.""",
    "2026-04-16-annual-meeting": """Present: the shareholders or their proxies, 94 per cent of the shares.
1. The accounts for 2025 are approved. 2. Odd Fure does not stand again. Renate Vik is elected chair of the board, Per Moe a member.
3. A dividend of 3 per cent is paid.""",
    "2026-05-21-board": """Present: Renate Vik (chair), Marit Dahl, Per Moe, Tor Elvestad.
1. Ingrid Solberg leaves the company on 31 May. Her successor as head of purchasing, Paul Achterberg, begins on 1 September. Until then
the office is vacant; Nina Berg looks after orders and invoices. 2. The crane is insured anew.""",
    "2026-06-04-management": """Present: Tor Elvestad, Jon Aas, Nina Berg.
1. Kolsnes: the 6 per cent are accepted. In return Kolsnes prolongs the guarantee on all drives to five years; we waive the right to end
the contract on account of the increase (signed on 3 June). 2. Holidays: the yard is closed in weeks 29 and 30.""",
    "2026-06-18-management": """Present: Tor Elvestad, Jon Aas, Nina Berg.
1. We want to be rid of one supplier this summer, if one of the contracts lets us out without a payment; Aas has a replacement for any of
the smaller ones. Elvestad has the contracts looked through. 2. Launch of hull 212 on 26 June.""",
}

_TORS, _NINA, _JON = "Tor Elvestad", "Nina Berg", "Jon Aas"
_MAILS = (
    ("Vestby Rope", "Ingrid Solberg", "12 March 2026", "Prices 2026",
     "Fibres have become dearer. From 1 April our prices rise by 3.5 per cent."),
    ("Kolsnes Engines", _TORS, "28 May 2026", "Price adjustment",
     "With effect from 1 July we have to raise the prices of all drives by 6 per cent. We would like to talk about what we can do in return."),
    ("Vestby Rope", "Ingrid Solberg", "2 May 2026", "Second adjustment",
     "Unfortunately the first step was not enough. From 1 June we add another 2.1 per cent."),
    ("Tarn Coatings", _NINA, "9 June 2026", "Our new price list",
     "Enclosed is the price list that holds from 1 August. Solvents are what they are: on average you will find it 4.6 per cent above the "
     "one before. We look forward to many more hulls in Tarn blue."),
    ("Tarn Coatings", _JON, "18 June 2026", "Re: primer, again",
     "Our laboratory found nothing wrong with batch 7. A technician could come by in July, after your holidays perhaps?"),
    ("Halden Steel", _NINA, "15 January 2026", "Surcharge",
     "The surcharge for alloys goes up by 2 per cent as of 1 February, as the contract provides."),
    (_NINA, _TORS, "15 June 2026", "Brattland, quantities",
     "You asked what we have taken from Brattland: 41 per cent of the year's quantity so far, and hardly more than 60 by the end of September, "
     "with what is on order."),
    (_TORS, _JON, "17 June 2026", "Suppliers",
     "Which of them could you replace at once? I do not want to pay anybody for leaving."),
    (_JON, _TORS, "17 June 2026", "Re: Suppliers", "Rope, paint, timber, glass: any of them within three weeks. Drives and steel: no."),
    ("Grimstad Resins", _NINA, "20 April 2026", "Bio resin", "The new resin costs 9 per cent more than the old one, which stays in the programme at its price."),
    ("Eide Electronics", _NINA, "11 May 2026", "Delivery", "The plotters come in week 24. We are sorry for the delay."),
    ("Mellom Logistics", _JON, "3 June 2026", "Hull 211", "The convoy needs the police; the fee of {0} is passed on to you."),
    ("Fjord Fasteners", _NINA, "26 February 2026", "Another three years", "As nobody has objected, we are glad to go on together until August 2029."),
    ("Rauma Sailmakers", _JON, "8 June 2026", "Fitting", "We could come on the 24th for the sails of hull 212. Invoice {1} is still open, by the way."),
    ("Lista Upholstery", _NINA, "5 May 2026", "Fabric", "The grey is sold out. There is a blue one which is 12 per cent cheaper."),
    ("Solvang Glass", _JON, "29 May 2026", "Portlights", "Two of forty were cracked; {2} replacements are under way."),
    (_NINA, "all", "12 June 2026", "Car park", "The north side is closed from Monday on, for the crane."),
    (_JON, _NINA, "19 June 2026", "Overtime", "The paint shop has {3} hours of it, two thirds because of the primer."),
    ("Ingrid Solberg", "all", "", "Good-bye", "Eleven years, thank you all. There is cake in the canteen at ten."),
    ("Halden Steel", _JON, "", "Certificates", "The certificates of melts {4} and {5} are enclosed, as a scan."),
)  # fmt: skip


def boatyard() -> dict[str, str]:
    """Return the documents by their paths."""
    random = Random(212)
    numbers = [str(100 + int(random.random() * 8900)) for _ in range(6)]
    documents: dict[str, str] = {}
    for number, supplier, goods, value, begins, ends, leaving in _CONTRACTS:
        documents[f"contracts/{number}.txt"] = f"""SUPPLY CONTRACT {number}

between {supplier} (the Supplier) and {_COMPANY} (the Customer)

1. Goods. The Supplier delivers {goods} as the Customer orders them. Yearly value: about {value:,}.
2. Term. From {begins} to {ends}.
3. Prices. Those of the price list. Increases are announced in writing, seven weeks ahead at least.
4. Quality. Complaints are made within fourteen days of delivery.
5. End. {leaving}
6. Form. Changes and notices are made by letter. Who signs for a party is a matter of that party's own rules.
"""
    for name, text in _MINUTES.items():
        documents[f"minutes/{name}.txt"] = f"{_COMPANY}: minutes, {name[:10]}\n\n{text}\n"
    for at, (sender, to, date, subject, text) in enumerate(_MAILS, 1):
        dated = f"Date: {date}\n" if date else ""
        documents[f"mails/{at:02}.txt"] = (
            f"From: {sender}\nTo: {to}\n{dated}Subject: {subject}\n\n{text.format(*numbers)}\n"
        )
    return documents


def write_boatyard(folder: str | Path) -> Path:
    """Write the documents into the folder, and return it."""
    root = Path(folder)
    for path, text in boatyard().items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return root
