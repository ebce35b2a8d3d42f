"""Pins and the lock file: what was pinned is read back exactly, or refused with advice."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.errors import DefinitionError, NotFoundError
from featurestore.model.pins import Pin, PinSet, SpinePin
from featurestore.model.reference import Reference

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
AWKWARD = st.sampled_from(
    [
        "",
        '"',
        "'",
        "'''",
        '"""',
        "\\",
        "\\n",
        "\\u0041",
        "a.b",
        "a b",
        "#",
        "=",
        "[spine]",
        "\n",
        "\r\n",
        "\r",
        "\t",
        "\x00",
        "\x1f",
        "\x7f",
        "\x85",
        "\u2028",
        "\ufeff",
        "größe",
        "價格",
        "🛫",
        "é",
        "-",
        "_",
        "1",
        "true",
        "format",
    ]
)
NAMES = TEXT | AWKWARD
TYPED = st.lists(st.tuples(NAMES, NAMES), max_size=4, unique_by=lambda pair: pair[0]).map(tuple)
HEX = st.text("0123456789abcdef", min_size=8, max_size=64)
REFERENCES = st.builds(
    Reference,
    st.sampled_from(["airport", "airport_weather", "Route1"]),
    st.integers(1, 999),
    st.none(),
    st.sampled_from(["temp", "wind_6h"]),
    st.sampled_from([(), (("faa", "dest"),), (("a", "größe"), ("b", "\\'\"#"))]),
    st.none() | st.just("dest__lat"),
)
PINS = st.builds(Pin, st.sampled_from(["airport", "a_b"]), st.integers(1, 99), HEX, st.none() | HEX)
MOMENTS = st.datetimes().map(lambda moment: moment.replace(tzinfo=UTC, fold=0))
PIN_SETS = st.builds(
    PinSet,
    st.lists(st.tuples(NAMES, REFERENCES), max_size=4, unique_by=lambda pair: pair[0]).map(tuple),
    st.lists(PINS, max_size=3, unique_by=lambda pin: pin.reference).map(tuple),
    NAMES,
    st.none() | st.just("spine") | MOMENTS,
    st.none() | st.builds(SpinePin, HEX, st.integers(0, 2**63 - 1), TYPED),
    st.lists(NAMES, max_size=4).map(tuple),
    TYPED,
    st.none() | MOMENTS,
)

TEMP = Reference("airport_weather", 1, feature="temp", name="heat")
PINNED = PinSet(
    (("heat", TEMP), ("airport__lat", Reference("airport", 2, feature="lat"))),
    (Pin("airport_weather", 1, "1f3a9c42" * 8, "ab" * 16), Pin("airport", 2, "c0ffee00" * 8, "cd" * 16)),
    "event_timestamp",
    datetime(2013, 7, 1, tzinfo=UTC),
    SpinePin("5b1e" * 16, 3, (("origin", "string"), ("event_timestamp", "timestamp[us, tz=UTC]"))),
    ("heat", "hour"),
    (("hour", "int64"), ("day", "date32[day]")),
)


@given(PIN_SETS)
def test_pins_read_back_from_json_and_from_toml(pins: PinSet) -> None:
    assert PinSet.from_json(json.loads(json.dumps(pins.to_json()))) == pins
    text = pins.dumps()
    read = PinSet.loads(text)
    assert read == pins
    assert read.digest == pins.digest
    assert read.dumps() == text
    assert tomllib.loads(text) == pins.to_json()


@given(PIN_SETS)
def test_versions_keep_the_code_and_let_go_of_the_rows(pins: PinSet) -> None:
    code = pins.versions
    assert [(pin.reference, pin.fingerprint, pin.snapshot) for pin in code.pins] == [
        (pin.reference, pin.fingerprint, None) for pin in pins.pins
    ]
    assert (code.spine, code.as_of, code.at) == (None, None, None)
    kept = (pins.columns, pins.timestamp, pins.inputs, pins.request)
    assert (code.columns, code.timestamp, code.inputs, code.request) == kept
    assert code.versions == code
    assert PinSet.loads(code.dumps()) == code


def test_a_lock_file_is_the_text_it_was(tmp_path: Path) -> None:
    odd = replace(PINNED, columns=(("line\nbreak\r\n\x85 größe", TEMP),))
    for number, pins in enumerate((PINNED, odd)):
        path = pins.save(tmp_path / f"{number}.lock")
        assert path == tmp_path / f"{number}.lock"
        assert PinSet.load(path) == PinSet.load(str(path)) == pins
        assert path.read_bytes().decode() == pins.dumps()


def test_a_lock_reads_well() -> None:
    assert PINNED.dumps().splitlines()[1:] == [
        "format = 1",
        'timestamp = "event_timestamp"',
        'as_of = "2013-07-01T00:00:00+00:00"',
        "inputs = [",
        '  "heat",',
        '  "hour",',
        "]",
        "",
        "[versions]",
        f'"airport_weather@v1" = {{ fingerprint = "{"1f3a9c42" * 8}", snapshot = "{"ab" * 16}" }}',
        f'"airport@v2" = {{ fingerprint = "{"c0ffee00" * 8}", snapshot = "{"cd" * 16}" }}',
        "",
        "[columns]",
        'heat = "airport_weather@v1:temp as heat"',
        'airport__lat = "airport@v2:lat"',
        "",
        "[request]",
        'hour = "int64"',
        'day = "date32[day]"',
        "",
        "[spine]",
        f'digest = "{"5b1e" * 16}"',
        "rows = 3",
        'columns = { origin = "string", event_timestamp = "timestamp[us, tz=UTC]" }',
    ]


# --- the digest


def test_the_digest_is_the_same_in_every_release() -> None:
    assert PINNED.digest == "383931affdcf8fb1fd71cd081194cd8db11571df1b3e0e446e4f66d213e0be25"


@pytest.mark.parametrize(
    "changed",
    [
        replace(PINNED, columns=PINNED.columns[:1]),
        replace(PINNED, columns=PINNED.columns[::-1]),
        replace(PINNED, columns=(("warm", TEMP), *PINNED.columns[1:])),
        replace(PINNED, columns=(("heat", TEMP.at(2)), *PINNED.columns[1:])),
        replace(PINNED, columns=(("heat", replace(TEMP, on=(("origin", "dest"),))), *PINNED.columns[1:])),
        replace(PINNED, pins=PINNED.pins[:1]),
        replace(PINNED, pins=(replace(PINNED.pins[0], view="weather"), PINNED.pins[1])),
        replace(PINNED, pins=(replace(PINNED.pins[0], version=2), PINNED.pins[1])),
        replace(PINNED, pins=(replace(PINNED.pins[0], fingerprint="0" * 64), PINNED.pins[1])),
        replace(PINNED, pins=(replace(PINNED.pins[0], snapshot="0" * 32), PINNED.pins[1])),
        replace(PINNED, pins=(replace(PINNED.pins[0], snapshot=None), PINNED.pins[1])),
        replace(PINNED, timestamp="at"),
        replace(PINNED, as_of=None),
        replace(PINNED, as_of="spine"),
        replace(PINNED, as_of=datetime(2013, 7, 1, 0, 0, 0, 1, tzinfo=UTC)),
        replace(PINNED, at=datetime(2013, 7, 1, tzinfo=UTC)),
        replace(PINNED, spine=None),
        replace(PINNED, spine=SpinePin("0" * 64, 3, (("origin", "string"),))),
        replace(PINNED, spine=replace(PINNED.spine or SpinePin("", 0, ()), rows=4)),
        replace(PINNED, spine=replace(PINNED.spine or SpinePin("", 0, ()), columns=(("origin", "large_string"),))),
        replace(
            PINNED,
            spine=replace(
                PINNED.spine or SpinePin("", 0, ()),
                columns=(("event_timestamp", "timestamp[us, tz=UTC]"), ("origin", "string")),
            ),
        ),
        replace(PINNED, inputs=("hour", "heat")),
        replace(PINNED, inputs=()),
        replace(PINNED, request=(("hour", "int32"), ("day", "date32[day]"))),
        replace(PINNED, request=(("day", "date32[day]"), ("hour", "int64"))),
        replace(PINNED, request=()),
    ],
)
def test_every_change_changes_the_digest(changed: PinSet) -> None:
    assert changed != PINNED
    assert changed.digest != PINNED.digest
    assert changed.digest == PinSet.loads(changed.dumps()).digest


@given(PIN_SETS, PIN_SETS)
def test_digests_are_equal_only_for_equal_pins(one: PinSet, other: PinSet) -> None:
    by_reference = [
        replace(pins, pins=tuple(sorted(pins.pins, key=lambda pin: pin.reference))) for pins in (one, other)
    ]
    assert (one.digest == other.digest) == (by_reference[0] == by_reference[1])


# --- what is no lock


def test_a_pin_that_is_not_there_says_so() -> None:
    assert PINNED.pin("airport", 2).fingerprint == "c0ffee00" * 8
    with pytest.raises(NotFoundError, match="reads airport@v3 but pins no such version: it was edited by hand; save"):
        PINNED.pin("airport", 3)


@pytest.mark.parametrize("name", ["absent.lock", ".", "a.lock/b.lock"])
def test_a_lock_that_is_not_there_says_how_to_save_one(tmp_path: Path, name: str) -> None:
    PINNED.save(tmp_path / "a.lock")
    with pytest.raises(NotFoundError, match=r"there is no lock file .*: save one with frame.pins.save"):
        PinSet.load(tmp_path / name)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"PAR1\x15\x04\x80"])
def test_a_lock_that_is_not_text_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.lock").write_bytes(content)
    with pytest.raises(DefinitionError, match=r"a.lock is not UTF-8 text .*: restore it from version control or save"):
        PinSet.load(tmp_path / "a.lock")


@pytest.mark.parametrize("text", ["format = ", "format = 1\nformat = 1", "<<<<<<< HEAD", "a = 'b"])
def test_a_lock_that_is_not_toml_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.lock").write_text(text)
    with pytest.raises(DefinitionError, match=r"a.lock is not valid TOML .*: restore it from version control or save"):
        PinSet.load(tmp_path / "a.lock")


@pytest.mark.parametrize("text", ["", "format = 2", "format = '1'", "[versions]"])
def test_a_lock_of_another_format_says_which_is_read(text: str) -> None:
    with pytest.raises(DefinitionError, match=r"^the lock has format .*, this release reads format 1: save it again"):
        PinSet.loads(text)


@pytest.mark.parametrize("missing", ["timestamp", "versions", "columns", "fingerprint", "digest", "rows", "types"])
def test_a_lock_with_a_missing_key_is_refused(missing: str) -> None:
    value = PINNED.to_json()
    if missing == "fingerprint":
        del value["versions"]["airport@v2"][missing]
    elif missing in value:
        del value[missing]
    else:
        del value["spine"]["columns" if missing == "types" else missing]
    with pytest.raises(DefinitionError, match=r"^the lock is not well formed \(KeyError.*: restore it from version"):
        PinSet.from_json(value)


@pytest.mark.parametrize(
    "edit",
    [
        ('"airport@v2" =', '"airport" ='),
        ('"airport@v2" =', '"airport@c0ffee00" ='),
        ('"airport@v2" =', '"airport@v2:lat" ='),
        ('"airport@v2" =', '"airport@v0" ='),
        ('"airport@v2" =', '"airport@v2 as a" ='),
        ('"airport@v2:lat"', '"airport:lat"'),
        ('"airport@v2:lat"', '"airport@c0ffee00:lat"'),
        ('"airport@v2:lat"', '"airport@v2"'),
        ('"airport@v2:lat"', '"airport@@v2:lat"'),
        ('"airport@v2:lat"', "2"),
        ('"' + "cd" * 16 + '"', "5"),
        ('"' + "c0ffee00" * 8 + '"', "5"),
        ('{ fingerprint = "' + "c0ffee00" * 8, '"v1" # '),
        ('"event_timestamp"\n', "5\n"),
        ('"2013-07-01T00:00:00+00:00"', '"14d"'),
        ('"2013-07-01T00:00:00+00:00"', '"soon"'),
        ('"2013-07-01T00:00:00+00:00"', "5"),
        ("rows = 3", 'rows = "3"'),
        ("rows = 3", "rows = -3"),
        ("rows = 3", "rows = true"),
        ('origin = "string"', "origin = 5"),
        ('hour = "int64"', "hour = 64"),
        ('[\n  "heat",\n  "hour",\n]', '"heat"'),
        ('  "hour",\n', "  5,\n"),
        ("[spine]", "[[spine]]"),
        ("[columns]", "[[columns]]"),
        ("[versions]", "[[versions]]"),
    ],
)
def test_a_lock_edited_by_hand_is_refused(edit: tuple[str, str], tmp_path: Path) -> None:
    text = PINNED.dumps()
    assert edit[0] in text
    (tmp_path / "a.lock").write_text(text.replace(*edit, 1))
    with pytest.raises(DefinitionError, match=r"a.lock is not well formed \(.*: restore it from version control or sa"):
        PinSet.load(tmp_path / "a.lock")


def test_a_time_written_by_hand_in_another_form_is_the_same_time() -> None:
    text = PINNED.dumps()
    for other in ('"2013-07-01T02:00:00+02:00"', "2013-07-01T00:00:00Z", '"2013-07-01"'):
        read = PinSet.loads(text.replace('"2013-07-01T00:00:00+00:00"', other))
        assert read == PINNED
        assert read.digest == PINNED.digest
    other_zone = replace(PINNED, as_of=datetime(2013, 7, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert PinSet.loads(other_zone.dumps()) == PINNED
