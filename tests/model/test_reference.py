"""References and the names of columns: one grammar, one parser, no two columns of one name."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from featurestore.errors import CollisionError, DefinitionError
from featurestore.model.reference import (
    ModelReference,
    Reference,
    column_names,
    parse_model_reference,
    parse_reference,
)

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,4}(_[A-Za-z0-9]{1,4}){0,2}", fullmatch=True)
FEW = st.sampled_from(["fv", "fv_v1", "fv_v2", "v1", "v2", "x", "X", "a", "b_a"])
COLUMNS = st.text(min_size=1).filter(lambda text: not any(c.isspace() or c in "=," for c in text))
PAIRS = st.lists(st.tuples(NAMES, COLUMNS), max_size=3, unique_by=lambda pair: pair[0].casefold())


@st.composite
def references(draw: st.DrawFn) -> Reference:
    number = draw(st.none() | st.integers(1, 999_999_999))
    fingerprint = None if number is not None else draw(st.none() | st.from_regex(r"[0-9a-f]{8,64}", fullmatch=True))
    alias = st.lists(NAMES, min_size=1, max_size=3).map("__".join)
    return Reference(
        draw(NAMES),
        number,
        fingerprint,
        draw(st.none() | NAMES),
        tuple(draw(PAIRS)),
        draw(st.none() | alias),
    )


@given(references())
def test_a_reference_reads_back_from_its_text(reference: Reference) -> None:
    assert parse_reference(str(reference)) == reference


@given(references(), st.integers(1, 99))
def test_pinning_a_reference_changes_its_version_only(reference: Reference, number: int) -> None:
    pinned = reference.at(number)
    assert pinned.pinned
    assert (pinned.version, pinned.fingerprint) == (number, None)
    assert (pinned.view, pinned.feature, pinned.on, pinned.name) == (
        reference.view,
        reference.feature,
        reference.on,
        reference.name,
    )


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("view", Reference("view")),
        ("view@v2", Reference("view", 2)),
        ("view:x", Reference("view", feature="x")),
        ("view@v2:x", Reference("view", 2, feature="x")),
        ("view@1f3a9c42:x", Reference("view", fingerprint="1f3a9c42", feature="x")),
        ("view@12345678", Reference("view", fingerprint="12345678")),
        ("airport@v1 on faa=dest as dest", Reference("airport", 1, on=(("faa", "dest"),), name="dest")),
        ("r:x on a=b,c=d", Reference("r", feature="x", on=(("a", "b"), ("c", "d")))),
        ("  r:x   on  a = b ,  c=d   as   n  ", Reference("r", feature="x", on=(("a", "b"), ("c", "d")), name="n")),
        ("r:x on on=as as as", Reference("r", feature="x", on=(("on", "as"),), name="as")),
        ("on as as", Reference("on", name="as")),
        ("r:x on k=größe:@ as n", Reference("r", feature="x", on=(("k", "größe:@"),), name="n")),
        ("r@v1:x as r__x__v9", Reference("r", 1, feature="x", name="r__x__v9")),
    ],
)
def test_the_grammar(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


REFERENCE_HELP = r"write view@v2:feature, view:feature or view@v2"
VERSION_HELP = r"is not a version: write @v2, or eight or more hex digits"
NAME_HELP = r"is not a name for a {}: use ASCII letters, digits and '_', start with a letter"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", REFERENCE_HELP),
        ("   ", REFERENCE_HELP),
        (None, REFERENCE_HELP),
        (3, REFERENCE_HELP),
        ("@v1", REFERENCE_HELP),
        (":x", REFERENCE_HELP),
        ("view:", REFERENCE_HELP),
        ("view @v1", REFERENCE_HELP),
        ("view x", REFERENCE_HELP),
        ("view:x y", REFERENCE_HELP),
        ("view as", REFERENCE_HELP),
        ("view as a b", REFERENCE_HELP),
        ("view as a on k=c", REFERENCE_HELP),
        ("view on", REFERENCE_HELP),
        ("view@", VERSION_HELP),
        ("view@:x", VERSION_HELP),
        ("view@v1@v2", VERSION_HELP),
        ("view@@v1", VERSION_HELP),
        ("view@v0", VERSION_HELP),
        ("view@v01", VERSION_HELP),
        ("view@v-1", VERSION_HELP),
        ("view@v1.0", VERSION_HELP),
        ("view@v\u0661", VERSION_HELP),
        ("view@V1", VERSION_HELP),
        ("view@2", VERSION_HELP),
        ("view@latest", VERSION_HELP),
        ("view@v1000000000", VERSION_HELP),
        ("view@1f3a9c4", VERSION_HELP),
        ("view@1F3A9C42", VERSION_HELP),
        ("view@1f3a9c4g", VERSION_HELP),
        ("view@" + "a" * 65, VERSION_HELP),
        ("a__b@v1", NAME_HELP.format("view")),
        ("_view", NAME_HELP.format("view")),
        ("view_", NAME_HELP.format("view")),
        ("1view", NAME_HELP.format("view")),
        ("vi-ew", NAME_HELP.format("view")),
        ("vi.ew", NAME_HELP.format("view")),
        ("vïew", NAME_HELP.format("view")),
        ("\u0432iew", NAME_HELP.format("view")),  # a Cyrillic letter that looks like a v or b
        ("view:a__b", NAME_HELP.format("feature")),
        ("view:_a", NAME_HELP.format("feature")),
        ("view:a_", NAME_HELP.format("feature")),
        ("view:a:b", NAME_HELP.format("feature")),
        ("view:a@v1", NAME_HELP.format("feature")),
        ("view:ä", NAME_HELP.format("feature")),
        ("view on k", r"'k' in .* is not key=column"),
        ("view on k=", r"'k=' in .* is not key=column"),
        ("view on k=a,", r"'' in .* is not key=column"),
        ("view on k=a b", r"'k=a b' in .* is not key=column"),
        ("view on k=a=b", r"'k=a=b' in .* is not key=column"),
        ("view on k==b", r"'k==b' in .* is not key=column"),
        ("view on =b", NAME_HELP.format("join key")),
        ("view on k__k=b", NAME_HELP.format("join key")),
        ("view on k=a,k=b", r"joins one key on two columns: name each key once"),
        ("view on k=a,K=b", r"joins one key on two columns: name each key once"),
        ("view as a____b", NAME_HELP.format(r"column \(after ' as '\)")),
        ("view as a_", NAME_HELP.format(r"column \(after ' as '\)")),
        ("view as _a", NAME_HELP.format(r"column \(after ' as '\)")),
        ("view as a__", NAME_HELP.format(r"column \(after ' as '\)")),
        ("view as é", NAME_HELP.format(r"column \(after ' as '\)")),
    ],
)
def test_a_malformed_reference_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        parse_reference(text)


@given(st.text())
def test_any_text_is_a_reference_or_a_definition_error(text: str) -> None:
    try:
        reference = parse_reference(text)
    except DefinitionError as error:
        assert repr(text) in str(error) or "is not a name" in str(error)  # noqa: PT017 - either outcome is fine
    else:
        assert parse_reference(str(reference)) == reference


# --- models


@pytest.mark.parametrize(
    ("text", "model", "version"),
    [
        ("delay@3", "delay", "3"),
        ("eta-model.v2@2026.01-rc_1", "eta-model.v2", "2026.01-rc_1"),
        ("d@v1", "d", "v1"),
    ],
)
def test_a_model_reference(text: str, model: str, version: str) -> None:
    reference = parse_model_reference(text)
    assert reference == ModelReference(model, version)
    assert str(reference) == text


@pytest.mark.parametrize("text", ["", "delay", "delay@", "delay@1@2", "delay@-1", "delay@ 1", "delay@é", "delay@1\n"])
def test_a_model_reference_without_its_version_says_what_to_write(text: str) -> None:
    with pytest.raises(DefinitionError, match="write its name, '@' and the version, for example 'delay@3'"):
        parse_model_reference(text)


@pytest.mark.parametrize("text", ["@1", "1delay@1", "a__b@1", "delay_@1", "_delay@1", "dé@1", "de lay@1"])
def test_a_model_reference_with_a_wrong_name_says_what_is_allowed(text: str) -> None:
    with pytest.raises(DefinitionError, match=r"is not a name for a model: use ASCII letters, digits, '_', '-' and"):
        parse_model_reference(text)


# --- column names


def named(*texts: str, versions: dict[str, int] | None = None, taken: tuple[str, ...] = ()) -> list[str]:
    parsed = [parse_reference(text) for text in texts]
    numbers = [reference.version or (versions or {}).get(reference.view, 1) for reference in parsed]
    return column_names(parsed, numbers, taken)


def test_a_feature_asked_for_once_is_view_and_feature() -> None:
    assert named("fv@v2:x", "fv:y", "other@v1:x") == ["fv__x", "fv__y", "other__x"]


def test_a_feature_asked_for_several_times_carries_the_version_where_pinned() -> None:
    assert named("fv@v1:x", "fv@v2:x", "fv:x", "fv@v2:y") == ["fv__x__v1", "fv__x__v2", "fv__x", "fv__y"]


def test_a_fingerprint_is_pinned_and_named_by_its_number() -> None:
    reference = parse_reference("fv@1f3a9c42:x")
    assert column_names([reference, parse_reference("fv:x")], [7, 1]) == ["fv__x__v7", "fv__x"]


def test_as_wins_and_does_not_count_as_a_repetition() -> None:
    assert named("fv@v1:x as old", "fv@v2:x") == ["old", "fv__x"]
    assert named("fv@v1:x as old", "fv@v2:x", "fv:x") == ["old", "fv__x__v2", "fv__x"]


@pytest.mark.parametrize(
    ("texts", "column"),
    [
        (("fv:x", "fv:x"), "fv__x"),
        (("fv@v1:x", "fv@v1:x"), "fv__x__v1"),
        (("fv@v1:x on k=a", "fv@v1:x on k=b"), "fv__x__v1"),
        (("fv@v1:x as n", "fv@v2:x as N"), "N"),
        (("fv@v1:x as fv__y", "fv:y"), "fv__y"),
        (("fv@v1:x", "fv@v2:x", "o@v1:y as fv__x__v2"), "fv__x__v2"),
        (("fv:x", "FV:X"), "FV__X"),
    ],
)
def test_two_columns_of_one_name_collide(texts: tuple[str, ...], column: str) -> None:
    with pytest.raises(CollisionError, match=rf"would give the column '{column}', which 'fv.* already has: add ' as "):
        named(*texts)


@pytest.mark.parametrize("taken", ["fv__x", "FV__X", "Fv__x"])
def test_a_column_of_the_spine_collides_ignoring_case(taken: str) -> None:
    with pytest.raises(CollisionError, match="which a column of the spine already has: add ' as name'"):
        named("fv@v1:x", taken=("origin", taken))
    assert named("fv@v1:x as y", taken=("origin", taken)) == ["y"]


@given(
    st.lists(
        st.tuples(FEW, st.integers(1, 3), st.booleans(), FEW, st.none() | st.lists(FEW, min_size=1).map("__".join)),
        max_size=6,
    ),
    st.lists(st.lists(FEW, min_size=1, max_size=3).map("__".join), max_size=2),
)
def test_names_are_unique_or_collide(asked: list[tuple[str, int, bool, str, str | None]], taken: list[str]) -> None:
    references = [
        Reference(view, number if pinned else None, None, feature, (), name)
        for view, number, pinned, feature, name in asked
    ]
    try:
        names = column_names(references, [number for _, number, *_ in asked], taken)
    except CollisionError:
        return
    folded = [name.casefold() for name in names]
    assert len(names) == len(asked)
    assert len(set(folded)) == len(folded)
    assert not set(folded) & {name.casefold() for name in taken}


@given(st.lists(st.tuples(FEW, st.none() | st.integers(1, 2), FEW), unique=True, max_size=8))
def test_different_features_never_collide(asked: list[tuple[str, int | None, str]]) -> None:
    """`fv_v1` beside `fv@v1`, a feature named `v1`: no names can be chosen that collide without ` as `."""
    assume(len({(view.casefold(), number, feature.casefold()) for view, number, feature in asked}) == len(asked))
    spelled: dict[str, str] = {}
    for view, _, feature in asked:
        for name in (view, feature):
            assume(spelled.setdefault(name.casefold(), name) == name)
    references = [Reference(view, number, None, feature) for view, number, feature in asked]
    names = column_names(references, [number or 3 for _, number, _ in asked])
    assert len({name.casefold() for name in names}) == len(asked)


def test_a_view_named_like_a_version_has_columns_of_its_own() -> None:
    names = named("fv@v1:x", "fv@v2:x", "fv:x", "fv_v1:x", "fv:x_v1", "fv:v1", "fv_x:v1")
    assert names == ["fv__x__v1", "fv__x__v2", "fv__x", "fv_v1__x", "fv__x_v1", "fv__v1", "fv_x__v1"]
