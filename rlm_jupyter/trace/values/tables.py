"""numpy's arrays and pandas' tables as plain values, and back. To write them it imports neither.

Methods are called of these libraries' own types only, never of what stands in a table.
"""

from __future__ import annotations

import base64
import math
import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from .plain import ZONE

__all__ = ["CELLS_PER_CHARACTER", "FREE_CELLS", "READERS", "tabled"]

_NUMBERS = re.compile(r"[<>|=][biufcSMm][0-9]{1,4}(\[[0-9]{0,6}[A-Za-z]{1,2}\])?", re.ASCII)
"""Types of arrays whose bytes are all that there is to them, as numpy writes these types."""

_TEXTS = re.compile(r"[<>|=]U[0-9]{1,9}", re.ASCII)
_NULLABLE = re.compile(r"U?Int(8|16|32|64)|Float(32|64)|boolean|string|str", re.ASCII)

_WIDEST = {"f": 8, "c": 16}  # bytes; wider numbers are not the same everywhere
FREE_CELLS = 25_000_000
CELLS_PER_CHARACTER = 64
"""Characters that the arrays of texts of a value may take: so many, and these for each character of its text."""

_INDEXES = ("Index", "DatetimeIndex", "TimedeltaIndex", "CategoricalIndex")

_Needs = Callable[[float], None]
_Takes = Callable[[int], None]


def tabled(value: Any, needs: _Needs) -> tuple[str, Any] | None:
    """Return the type's name and the parts of an array, a table or a scalar of these libraries; None of all others.

    ``needs`` is told how many characters it takes at least, before anything is copied. Raises ``ValueError`` for a
    table that holds what cannot be written.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if _is(value, numpy, "ndarray"):
        return "ndarray", _array(value, needs)
    if issubclass(type(value), numpy.generic) and type(value) is value.dtype.type:
        return "scalar", _array(numpy.asarray(value), needs)
    pandas = sys.modules.get("pandas")
    return _pandas(value, pandas, needs) if pandas is not None else None


def _pandas(value: Any, pandas: Any, needs: _Needs) -> tuple[str, Any] | None:
    if value is pandas.NA or value is pandas.NaT:
        return "missing", "NA" if value is pandas.NA else "NaT"
    if _is(value, pandas, "Timestamp"):
        zone = _zone(value.tzinfo) if value.tzinfo is not None else None
        return "timestamp", {"zone": zone, "data": _array(value.to_datetime64(), needs)}
    if _is(value, pandas, "Timedelta"):
        return "duration", _array(value.to_timedelta64(), needs)
    if _is(value, pandas, "DataFrame"):
        needs(2.0 * value.size)
        columns = [_column(value.iloc[:, at].array, needs) for at in range(value.shape[1])]
        return "frame", {"index": value.index, "columns": value.columns, "data": columns}
    if _is(value, pandas, "Series"):
        return "series", {"index": value.index, "name": value.name, "data": _column(value.array, needs)}
    if _is(value, pandas, "RangeIndex"):
        return "rangeindex", {"range": [value.start, value.stop, value.step], "name": value.name}
    if _is(value, pandas, "MultiIndex"):
        needs(2.0 * len(value) * value.nlevels)
        parts = {"levels": list(value.levels), "codes": [_array(each, needs) for each in value.codes]}
        return "multiindex", {**parts, "names": list(value.names)}
    if any(_is(value, pandas, name) for name in _INDEXES):
        freq = getattr(value, "freqstr", None)
        return "index", {"name": value.name, "data": _column(value.array, needs), "freq": freq}
    return None


def _is(value: Any, module: Any, name: str) -> bool:
    return type(value) is getattr(module, name, None)


def _array(array: Any, needs: _Needs) -> dict[str, Any]:
    """Return an array's type, shape, and what is in it."""
    kind: str = array.dtype.str
    told = {"dtype": kind, "shape": list(array.shape)}
    if _TEXTS.fullmatch(kind):
        needs(max(3.0 * array.size, (array.size * int(kind[2:]) - FREE_CELLS) / CELLS_PER_CHARACTER))
        return {**told, "data": array.ravel().tolist()}
    size = array.dtype.itemsize
    if array.dtype.fields or not _NUMBERS.fullmatch(kind) or not 0 < size <= _WIDEST.get(array.dtype.kind, 9_999):
        msg = f"Arrays of {kind} are not written."
        raise ValueError(msg)
    needs(4 / 3 * array.nbytes)
    return {**told, "data": base64.b64encode(array.tobytes()).decode("ascii")}


def _zone(zone: Any) -> str:
    """Return the name by which pandas knows a time zone."""
    pandas, name = sys.modules["pandas"], str(zone)
    known = pandas.DatetimeTZDtype("ns", name).tz if ZONE.fullmatch(name) else None
    # pandas 2 has zones of pytz: each is a class there, and a moment's own zone an object of it, for summer or winter.
    same = known == zone or (type(zone).__module__ == "pytz.tzfile" and type(known) is type(zone))
    if known is None or not same:
        msg = f"Times of the zone {name} are not written."
        raise ValueError(msg)
    return name


def _column(column: Any, needs: _Needs) -> dict[str, Any]:
    """Return the type of a column and its values."""
    kind, name = column.dtype, str(column.dtype)
    if type(kind).__name__ == "CategoricalDtype":
        codes = _array(column.codes, needs)
        return {"kind": "category", "categories": column.categories, "codes": codes, "ordered": bool(column.ordered)}
    if type(kind).__name__ == "DatetimeTZDtype":
        zone = _zone(kind.tz)
        utc = column.tz_convert("UTC").tz_localize(None).to_numpy()
        return {"kind": "zoned", "zone": zone, "data": _array(utc, needs)}
    needs(2.0 * len(column))
    if name == "object":
        return {"kind": "object", "data": column.to_numpy().tolist()}
    if _NULLABLE.fullmatch(name):
        missing = column.isna().tolist()
        plain = column.astype(object).tolist()
        values = [None if none else each for none, each in zip(missing, plain, strict=True)]
        return {"kind": name, "data": values}
    return {"kind": "numpy", "data": _array(column.to_numpy(), needs)}


def _read_array(parts: Any, takes: _Takes) -> Any:
    numpy: Any = import_module("numpy")
    kind, shape, held = parts["dtype"], parts["shape"], parts["data"]
    texts = isinstance(held, list)
    if not (_TEXTS if texts else _NUMBERS).fullmatch(kind) or not all(type(each) is int for each in shape):
        msg = "This is no array."
        raise ValueError(msg)
    count = len(held) if texts else len(held) * 3 // 4
    if min(shape, default=0) < 0 or math.prod(shape) > count or len(shape) > 32:
        msg = "The shape of an array is not that of what is in it."
        raise ValueError(msg)
    if texts:
        if not all(type(each) is str for each in held):
            msg = "This is no array of texts."
            raise ValueError(msg)
        takes(max(1, len(held)) * int(kind[2:]))
        return numpy.array(held, dtype=kind).reshape(shape)
    return numpy.frombuffer(base64.b64decode(held, validate=True), dtype=kind).reshape(shape).copy()


def _read_scalar(parts: Any, takes: _Takes) -> Any:
    return _read_array(parts, takes)[()]


def _read_column(parts: Mapping[str, Any], takes: _Takes, length: int | None = None) -> Any:
    """Return a column, which has no other length than this: pandas makes many values of a single one."""
    column = _made_column(parts, takes)
    if column.ndim != 1 or (length is not None and len(column) != length):
        msg = "The parts of a table do not have one length."
        raise ValueError(msg)
    return column


def _made_column(parts: Mapping[str, Any], takes: _Takes) -> Any:
    numpy: Any = import_module("numpy")
    pandas: Any = import_module("pandas")
    kind = parts["kind"]
    if kind == "category":
        codes = _read_array(parts["codes"], takes)
        return pandas.Categorical.from_codes(codes, categories=parts["categories"], ordered=bool(parts["ordered"]))
    if kind == "zoned" and ZONE.fullmatch(parts["zone"]):
        utc = pandas.DatetimeIndex(_read_array(parts["data"], takes))
        return utc.tz_localize("UTC").tz_convert(parts["zone"]).array
    if kind == "object":
        held = numpy.empty(len(parts["data"]), dtype=object)
        for at, each in enumerate(parts["data"]):
            held[at] = each
        return held
    if kind == "numpy":
        return _read_array(parts["data"], takes)
    if _NULLABLE.fullmatch(kind):
        if not all(each is None or type(each) in (str, int, float, bool) for each in parts["data"]):
            msg = "This is no column."
            raise ValueError(msg)
        return pandas.array(parts["data"], dtype=kind)
    msg = "This is no column."
    raise ValueError(msg)


def _read_series(parts: Any, takes: _Takes) -> Any:
    pandas: Any = import_module("pandas")
    index = parts["index"]
    column = _read_column(parts["data"], takes, len(index))
    return pandas.Series(column, index=index, name=parts["name"], copy=False, dtype=column.dtype)


def _read_frame(parts: Any, takes: _Takes) -> Any:
    pandas: Any = import_module("pandas")
    index = parts["index"]
    columns = {at: _read_column(each, takes, len(index)) for at, each in enumerate(parts["data"])}
    series = {at: pandas.Series(each, index=index, dtype=each.dtype) for at, each in columns.items()}
    frame = pandas.DataFrame(series, index=index)
    frame.columns = parts["columns"]
    return frame


def _read_index(parts: Any, takes: _Takes) -> Any:
    pandas: Any = import_module("pandas")
    column = _read_column(parts["data"], takes)
    if parts["freq"] is not None:
        make = pandas.DatetimeIndex if column.dtype.kind == "M" else pandas.TimedeltaIndex
        return make(column, name=parts["name"], freq=str(parts["freq"]))
    return pandas.Index(column, name=parts["name"], dtype=column.dtype)


def _read_rangeindex(parts: Any, _: _Takes) -> Any:
    pandas: Any = import_module("pandas")
    return pandas.RangeIndex(*parts["range"], name=parts["name"])


def _read_multiindex(parts: Any, takes: _Takes) -> Any:
    pandas: Any = import_module("pandas")
    codes = [_read_array(each, takes) for each in parts["codes"]]
    return pandas.MultiIndex(levels=parts["levels"], codes=codes, names=parts["names"])


def _read_timestamp(parts: Any, takes: _Takes) -> Any:
    pandas: Any = import_module("pandas")
    zone = parts["zone"]
    moment = pandas.Timestamp(_read_scalar(parts["data"], takes))
    if zone is None:
        return moment
    if not ZONE.fullmatch(zone):
        msg = "This is no time zone."
        raise ValueError(msg)
    return moment.tz_localize("UTC").tz_convert(zone)


def _read_duration(parts: Any, takes: _Takes) -> Any:
    pandas: Any = import_module("pandas")
    return pandas.Timedelta(_read_scalar(parts, takes))


def _read_missing(name: Any, _: _Takes) -> Any:
    pandas: Any = import_module("pandas")
    return pandas.NA if name == "NA" else pandas.NaT


READERS: Mapping[str, Callable[[Any, _Takes], Any]] = {
    "ndarray": _read_array,
    "scalar": _read_scalar,
    "series": _read_series,
    "frame": _read_frame,
    "index": _read_index,
    "rangeindex": _read_rangeindex,
    "multiindex": _read_multiindex,
    "timestamp": _read_timestamp,
    "duration": _read_duration,
    "missing": _read_missing,
}
"""What makes the value of the parts, which are plain values already, by the name that ``tabled`` returned.

Each tells how many characters an array of texts takes before it makes it."""
