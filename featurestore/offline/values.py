"""Single values and their JSON form: the defaults of features, as a definition stores them.

Integers, booleans and text stay as they are; floats too, except `"nan"`, `"inf"` and `"-inf"`, which JSON has not;
dates and timestamps are ISO text, decimals text with their full scale, bytes base64; lists and embeddings are arrays.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation
from typing import Any

from featurestore.errors import DefinitionError, RequestError
from featurestore.model.times import EPOCH, parse_time
from featurestore.model.types import FeatureType

__all__ = ["default_from_json", "default_to_json"]

_INTEGER_BITS = {"Int32": 32, "Int64": 64}
_SPECIAL = frozenset({"nan", "inf", "-inf"})


def default_to_json(type_: FeatureType, value: Any, *, where: str = "the default") -> Any:  # noqa: ANN401 - JSON
    """Return the JSON form of a default, checked against its feature's type.

    Parameters
    ----------
    where
        What holds the value, for the error: `"the default of feature 'temp'"`.

    Raises
    ------
    DefinitionError
        If the value is not one of the type's.
    """
    if value is None:
        return None
    return _to_json(type_, value, where)


def default_from_json(type_: FeatureType, json: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the Python value of a default's JSON form: aware datetimes, `Decimal`, `bytes`, lists.

    Raises
    ------
    DefinitionError
        If `json` is not the JSON form of a value of the type.
    """
    if json is None:
        return None
    try:
        return _from_json(type_, json)
    except (TypeError, ValueError, DecimalException, binascii.Error) as error:
        message = f"{json!r} is not the stored form of a {type_}: {error}."
        raise DefinitionError(message) from error


def _from_json(type_: FeatureType, json: Any) -> Any:  # noqa: ANN401 - JSON
    if type_.kind == "List" and type_.item is not None:
        return [None if item is None else _from_json(type_.item, item) for item in json]
    if type_.kind == "Embedding":
        return [float(item) for item in json]
    read = _READ.get(type_.kind)
    return json if read is None else read(json)


_READ: dict[str, Callable[[Any], Any]] = {
    "Float32": float,
    "Float64": float,
    "Bytes": lambda json: base64.b64decode(json, validate=True),
    "Date": date.fromisoformat,
    "Timestamp": lambda json: datetime.fromisoformat(json).astimezone(UTC),
    "Decimal": Decimal,
}


def _to_json(type_: FeatureType, value: Any, where: str) -> Any:  # noqa: ANN401 - JSON
    if type_.kind == "List" and type_.item is not None:
        item_type = type_.item
        return [None if item is None else _to_json(item_type, item, where) for item in _items(type_, value, where)]
    if type_.kind == "Embedding":
        items = _items(type_, value, where)
        if len(items) != type_.parameters[0]:
            raise _wrong(type_, value, where, f"it has {len(items)} elements")
        return [_float("Float32", item, type_, where) for item in items]
    if hasattr(value, "item") and not isinstance(value, (list, tuple)):  # a NumPy scalar
        value = value.item()
    if type_.kind in _INTEGER_BITS:
        return _integer(type_, value, where)
    if type_.kind in {"Float32", "Float64"}:
        return _float(type_.kind, value, type_, where)
    return _CHECKS[type_.kind](type_, value, where)


def _integer(type_: FeatureType, value: Any, where: str) -> int:  # noqa: ANN401 - checked here
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(type_, value, where, "give an int")
    bound = 1 << (_INTEGER_BITS[type_.kind] - 1)
    if not -bound <= value < bound:
        raise _wrong(type_, value, where, f"it lies outside {-bound} to {bound - 1}")
    return value


def _float(kind: str, value: Any, type_: FeatureType, where: str) -> float | str:  # noqa: ANN401 - checked here
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(type_, value, where, "give floats")
    try:
        number = float(value)
        if kind == "Float32":
            (number,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        raise _wrong(type_, value, where, f"{value!r} is too large") from None
    if math.isfinite(number):
        return number
    return "nan" if math.isnan(number) else ("inf" if number > 0 else "-inf")


def _bool(type_: FeatureType, value: Any, where: str) -> bool:  # noqa: ANN401 - checked here
    if not isinstance(value, bool):
        raise _wrong(type_, value, where, "give True or False")
    return value


def _string(type_: FeatureType, value: Any, where: str) -> str:  # noqa: ANN401 - checked here
    if not isinstance(value, str):
        raise _wrong(type_, value, where, "give text")
    return value


def _bytes(type_: FeatureType, value: Any, where: str) -> str:  # noqa: ANN401 - checked here
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise _wrong(type_, value, where, "give bytes")
    return base64.b64encode(bytes(value)).decode("ascii")


def _date(type_: FeatureType, value: Any, where: str) -> str:  # noqa: ANN401 - checked here
    try:
        found = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, date) or isinstance(found, datetime):
        raise _wrong(type_, value, where, "give a datetime.date or text such as '2013-07-01'")
    return found.isoformat()


def _timestamp(type_: FeatureType, value: Any, where: str) -> str:  # noqa: ANN401 - checked here
    try:
        moment = parse_time(value)
    except RequestError as error:
        raise _wrong(type_, value, where, str(error).rstrip(".")) from error
    if parse_time(value, now=EPOCH) != moment:
        raise _wrong(type_, value, where, "it is a duration back from now, another moment at every apply")
    return moment.isoformat()


def _decimal(type_: FeatureType, value: Any, where: str) -> str:  # noqa: ANN401 - checked here
    precision, scale = type_.parameters
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise _wrong(type_, value, where, "give a decimal.Decimal, an int or text")
    try:
        exact = Context(prec=precision, traps=[Inexact, InvalidOperation])
        return f"{Decimal(value).quantize(Decimal(1).scaleb(-scale), context=exact):f}"
    except DecimalException:
        raise _wrong(type_, value, where, f"it needs more than {precision} digits, or than {scale} decimals") from None


_CHECKS: dict[str, Callable[[FeatureType, Any, str], Any]] = {
    "Bool": _bool,
    "String": _string,
    "Bytes": _bytes,
    "Date": _date,
    "Timestamp": _timestamp,
    "Decimal": _decimal,
}


def _items(type_: FeatureType, value: Any, where: str) -> list[Any]:  # noqa: ANN401 - checked here
    if hasattr(value, "tolist"):  # NumPy and Arrow arrays
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        raise _wrong(type_, value, where, "give a list")
    return list(value)


def _wrong(type_: FeatureType, value: Any, where: str, why: str) -> DefinitionError:  # noqa: ANN401 - shown
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."  # noqa: PLR2004 - a line's worth
    return DefinitionError(f"{where} is {shown}, which is no {type_}: {why}.")
