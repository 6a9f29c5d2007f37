"""Sessions over REST: lists, conversations, deletion; and the search over what was said in them."""

from __future__ import annotations

from recorded_runs import begun, recorded

from .conftest import Rest


async def test_a_conversation_is_told_turn_by_turn(rest: Rest) -> None:
    runs = rest.keep_conversation("shelf.ipynb", "Which colour has the lamp?", "And the door?")
    rest.keep_conversation("shelf.ipynb", "Who lives in the bath?")
    rest.keep_conversation("other.ipynb", "Where is the lamp?")
    listed = (await rest.get("sessions", notebook="shelf.ipynb"))["sessions"]
    assert [(each["first_question"], each["turns"]) for each in listed] == [
        ("Who lives in the bath?", 1),
        ("Which colour has the lamp?", 2),
    ]
    assert len((await rest.get("sessions"))["sessions"]) == 3
    session = await rest.get(f"sessions/{listed[1]['session_id']}", notebook="shelf.ipynb")
    assert [turn["run_id"] for turn in session["conversation"]] == runs
    assert [turn["question"] for turn in session["conversation"]] == ["Which colour has the lamp?", "And the door?"]
    assert "The door of the cellar is green." in session["conversation"][1]["answer"]


async def test_sessions_are_listed_page_by_page(rest: Rest) -> None:
    for question in ("Which lamp?", "Which door?", "Which walrus?"):
        rest.keep_conversation("shelf.ipynb", question)
    first = await rest.get("sessions", limit=2)
    second = await rest.get("sessions", limit=2, offset=first["next"])
    asked = [each["first_question"] for each in first["sessions"] + second["sessions"]]
    assert asked == ["Which walrus?", "Which door?", "Which lamp?"]
    assert second["next"] is None


async def test_a_session_belongs_to_its_notebook(rest: Rest) -> None:
    rest.keep_conversation("shelf.ipynb", "Which colour has the lamp?")
    rest.keep_conversation(None, "Who lives in the bath?")
    held, loose = sorted((await rest.get("sessions"))["sessions"], key=lambda each: each["notebook"] is None)
    assert (held["notebook"], loose["notebook"]) == ("shelf.ipynb", None)
    for session_id, query in [
        (held["session_id"], ""),
        (held["session_id"], "?notebook=other.ipynb"),
        (held["session_id"], "?notebook_id=999"),
        (loose["session_id"], "?notebook=shelf.ipynb"),
    ]:
        for verb in ("GET", "DELETE"):
            assert (await rest.ask(verb, f"sessions/{session_id}{query}")).status == 404
    assert (await rest.get(f"sessions/{loose['session_id']}"))["turns"] == 1


async def test_a_session_is_deleted_unless_a_run_of_it_is_under_way(rest: Rest) -> None:
    rest.keep_conversation("shelf.ipynb", "Which colour has the lamp?", "And the door?")
    still = rest.keep(begun(recorded("Who lives in the bath?")), "shelf.ipynb")
    kept = (await rest.get(f"runs/{still}"))["session_id"]
    refused = await rest.ask("DELETE", f"sessions/{kept}", notebook="shelf.ipynb")
    assert refused.status == 409
    (over,) = (each for each in (await rest.get("sessions"))["sessions"] if each["session_id"] != kept)
    answer = await rest.ask("DELETE", f"sessions/{over['session_id']}", notebook="shelf.ipynb")
    assert (answer.status, answer.json) == (200, {"deleted": 2})
    assert (await rest.ask("GET", f"sessions/{over['session_id']}", notebook="shelf.ipynb")).status == 404
    assert [run["run_id"] for run in (await rest.get("runs"))["runs"]] == [still]


async def test_questions_and_answers_are_searched(rest: Rest) -> None:
    rest.keep_conversation("shelf.ipynb", "Which colour has the lamp?", "Who lives in the bath?")
    rest.keep_conversation("other.ipynb", "Which colour has the door?")
    found = (await rest.get("search", q="walrus"))["runs"]
    assert [(run["question"], run["found_in"]) for run in found] == [("Who lives in the bath?", "answer")]
    (run,) = found
    assert {run["excerpt"][start:end].lower() for start, end in run["hits"]} == {"walrus"}
    assert {run["question"] for run in (await rest.get("search", q="which colour"))["runs"]} == {
        "Which colour has the lamp?",
        "Which colour has the door?",
    }
    there = await rest.get("search", q="colour", notebook="other.ipynb")
    assert [run["question"] for run in there["runs"]] == ["Which colour has the door?"]
    pages = [await rest.get("search", q="colour", limit=1, offset=offset) for offset in range(3)]
    assert [len(page["runs"]) for page in pages] == [1, 1, 0]
    assert (await rest.get("search", q="gryphon"))["runs"] == []


async def test_words_to_search_for_are_only_words(rest: Rest) -> None:
    rest.keep_conversation("shelf.ipynb", "Which colour has the lamp?")
    hostile = ('"', "lamp OR", "NEAR(", "question:lamp", "*", "%", "_", "lamp'; DROP TABLE runs; --", "\U0001f600")
    for words in hostile:
        answer = await rest.ask("GET", "search", q=words)
        assert answer.status == 200, (words, answer.body)
    assert len((await rest.get("runs"))["runs"]) == 1
