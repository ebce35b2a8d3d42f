"""Feature types: what a key, a feature or a source column may hold.

A type is a value with a text form that `parse_type` reads back: `Int64`, `Decimal(10, 2)`, `List(String)`,
`Embedding(128)`. Its form in Arrow, Polars and DuckDB is told in `offline/arrow_types.py`, on the wire in `serving/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from featurestore.errors import DefinitionError, nearest

__all__ = [
    "KEY_KINDS",
    "Bool",
    "Bytes",
    "Date",
    "Decimal",
    "Embedding",
    "FeatureType",
    "Float32",
    "Float64",
    "Int32",
    "Int64",
    "List",
    "String",
    "Timestamp",
    "parse_type",
]

_SCALARS = ("Int32", "Int64", "Float32", "Float64", "Bool", "String", "Bytes", "Date", "Timestamp")
_MAX_PRECISION = 38
_FLOATS = frozenset({"Float32", "Float64"})
_WIDER = {"Int32": ("Int64", "Float64"), "Float32": ("Float64",), "Date": ("Timestamp",)}

KEY_KINDS = frozenset({"Int32", "Int64", "String", "Bytes", "Bool", "Date"})
"""Kinds that a join key may have: exact equality, one byte form."""


@dataclass(frozen=True, slots=True)
class FeatureType:
    """One feature type.

    Attributes
    ----------
    kind
        The type's name: one of the scalars, `"Decimal"`, `"List"` or `"Embedding"`.
    parameters
        `(precision, scale)` of a decimal, `(length,)` of an embedding, otherwise empty.
    item
        The element type of a list.
    """

    kind: str
    parameters: tuple[int, ...] = ()
    item: FeatureType | None = None

    def __str__(self) -> str:
        if self.item is not None:
            return f"{self.kind}({self.item})"
        if self.parameters:
            return f"{self.kind}({', '.join(str(value) for value in self.parameters)})"
        return self.kind

    def __repr__(self) -> str:
        return str(self)

    def widens_to(self, other: FeatureType) -> bool:
        """Return whether every value of this type is, unchanged, a value of the other."""
        if self == other:
            return True
        if other.kind == "Embedding":
            return self.kind == "List" and self.item is not None and self.item.kind in _FLOATS
        if other.kind == "List":
            if self.kind == "Embedding":
                return other.item is not None and other.item.kind in _FLOATS
            return self.item is not None and other.item is not None and self.item.widens_to(other.item)
        if other.kind == "Decimal" and self.kind == "Decimal":
            (precision, scale), (wide_precision, wide_scale) = self.parameters, other.parameters
            return wide_scale >= scale and wide_precision - wide_scale >= precision - scale
        return other.kind in _WIDER.get(self.kind, ())


Int32 = FeatureType("Int32")
Int64 = FeatureType("Int64")
Float32 = FeatureType("Float32")
Float64 = FeatureType("Float64")
Bool = FeatureType("Bool")
String = FeatureType("String")
Bytes = FeatureType("Bytes")
Date = FeatureType("Date")
Timestamp = FeatureType("Timestamp")
"""A moment: microseconds since 1970-01-01 UTC."""


def Decimal(precision: int, scale: int) -> FeatureType:  # noqa: N802 - reads as a type
    """Return the exact decimal type of up to 38 digits, `scale` of them after the point."""
    if not (_whole(precision, scale) and 1 <= precision <= _MAX_PRECISION and 0 <= scale <= precision):
        message = (
            f"Decimal({precision}, {scale}) is not a type: the precision is 1 to {_MAX_PRECISION} digits, "
            "the scale 0 to the precision."
        )
        raise DefinitionError(message)
    return FeatureType("Decimal", (precision, scale))


def List(item: FeatureType) -> FeatureType:  # noqa: N802 - reads as a type
    """Return the type of lists of `item`, of any length; elements may be null."""
    if not isinstance(item, FeatureType) or item.kind == "Embedding":
        message = f"List({item}) is not a type: the item is a scalar, a decimal or a list, for example List(fs.Int64)."
        raise DefinitionError(message)
    return FeatureType("List", (), item)


def Embedding(length: int) -> FeatureType:  # noqa: N802 - reads as a type
    """Return the type of float32 vectors with exactly `length` elements, none of them null."""
    if not (_whole(length) and length >= 1):
        message = f"Embedding({length}) is not a type: the length is 1 or more."
        raise DefinitionError(message)
    return FeatureType("Embedding", (length,))


def _whole(*numbers: object) -> bool:
    """Return whether all are integers; True and False are none."""
    return all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)


def parse_type(text: str) -> FeatureType:
    """Read the text form of a type.

    Raises
    ------
    DefinitionError
        If the text names no type.
    """
    known = [*_SCALARS, "Decimal(p, s)", "List(T)", "Embedding(n)"]
    if not isinstance(text, str):
        message = f"{text!r} is not a feature type.{nearest(str(text), known)}"
        raise DefinitionError(message)
    text = text.strip()
    if text in _SCALARS:
        return FeatureType(text)
    match = re.fullmatch(r"(Decimal|List|Embedding)\((.*)\)", text)
    if match is None:
        message = f"{text!r} is not a feature type.{nearest(text, known)}"
        raise DefinitionError(message)
    name, inner = match.groups()
    if name == "List":
        return List(parse_type(inner))
    try:
        numbers = [int(part) for part in inner.split(",")]
        return Decimal(*numbers) if name == "Decimal" else Embedding(*numbers)
    except (TypeError, ValueError):
        message = f"{text!r} is not a feature type: write Decimal(10, 2) or Embedding(128)."
        raise DefinitionError(message) from None
