"""Functions as computations: the text that stands alone, and what cannot."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars import col

from featurestore.errors import DefinitionError
from featurestore.model.definition import Computation
from featurestore.model.settings import Settings
from featurestore.offline.compute import Engine, function_source
from featurestore.offline.functions import load_function
from featurestore.offline.sources import SourceReader

Frames = dict[str, pl.LazyFrame]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path, Settings(), SourceReader(tmp_path, Settings()))


def identity(relations: Frames) -> pl.LazyFrame:
    """Say nothing new."""
    # a comment
    return relations["s"].with_columns(col("i64") + 0)


RATE = 0.5
SINCE = (date(2013, 1, 1), datetime(2013, 1, 1, tzinfo=UTC), timedelta(hours=1), math.inf, None, frozenset({"b", "a"}))
MUTABLE = [1]


def helper(frame: object) -> object:
    return frame


def uses_constants(relations: Frames) -> pl.LazyFrame:
    threshold: float = RATE

    def inner(value: int = 1) -> int:
        """Say nothing."""
        return value

    return relations["s"].filter(pl.col("t") >= SINCE[1]).with_columns(x=pl.col("x") * threshold * inner())


def uses_mutable(relations: Frames) -> object:
    return relations[str(MUTABLE)]


def uses_helper(relations: Frames) -> object:
    return helper(relations)


def uses_nothing(relations: Frames) -> object:
    return undefined_name(relations)  # type: ignore[name-defined] # noqa: F821 - the point


def returns_number(relations: Frames) -> object:
    return len(relations)


def fails(relations: Frames) -> object:
    return relations["gone"]


def test_a_functions_text_stands_alone_and_comments_do_not_count() -> None:
    name, text, imports = function_source(identity)
    assert (name, imports) == ("identity", {"col": "polars:col"})
    assert text == "def identity(relations):\n    return relations['s'].with_columns(col('i64') + 0)"


def test_constants_are_part_of_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    name, before, imports = function_source(uses_constants)
    assert imports == {"pl": "polars"}
    assert before.startswith("RATE = 0.5\nSINCE = (")
    frame = pl.LazyFrame({"t": [datetime(2013, 1, 1, tzinfo=UTC)], "x": [3.0]})
    assert load_function(name, before, imports)({"s": frame}).collect()["x"].to_list() == [1.5]
    monkeypatch.setitem(uses_constants.__globals__, "RATE", 0.25)
    _, after, _ = function_source(uses_constants)
    assert after != before


def test_what_cannot_stand_alone_is_refused() -> None:
    outside = 1

    def closure(relations: Frames) -> object:
        return relations[str(outside)]

    refused: list[tuple[Any, str]] = [
        (closure, "uses outside of the function around it"),
        (lambda relations: relations, "has no name"),
        (uses_mutable, "make it a tuple"),
        (uses_helper, "move 'helper' inside"),
        (uses_nothing, "'undefined_name', which is not defined"),
        (Path("x").exists, "no plain function"),
        (len, "no plain function"),
    ]
    for function, why in refused:
        with pytest.raises(DefinitionError, match=why):
            function_source(function)


def test_a_function_that_fails_or_returns_no_frame_says_so(engine: Engine) -> None:
    for function, why in ((returns_number, "returned a int"), (fails, "KeyError: 'gone'")):
        name, text, imports = function_source(function)
        with pytest.raises(DefinitionError, match=why):
            engine.describe(Computation("function", text, text, name, imports), {"s": {"x": "BIGINT"}})
    with pytest.raises(DefinitionError, match=r"needs gone\.thing, which is not here"):
        engine.describe(Computation("function", "def f(r): ...", "", "f", {"g": "gone:thing"}), {})
    with pytest.raises(DefinitionError, match="does not define it"):
        engine.describe(Computation("function", "x = 1", "", "f", {}), {})
