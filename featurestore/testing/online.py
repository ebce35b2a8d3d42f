"""What every online store must do: subclass `OnlineStoreSuite` and give it an `open_store` fixture.

class TestLmdb(OnlineStoreSuite):
    @pytest.fixture
    def open_store(self, tmp_path):
        return lambda: LmdbStore(tmp_path)
"""

# ruff: noqa: D102, S311 - a test's name says what it holds; random orders are no secrets

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from featurestore.errors import ConflictError, ContractError, NotPublishedError, RequestError
from featurestore.online import overlay
from featurestore.online.base import PUSHES, OnlineStore

__all__ = ["OnlineStoreSuite"]

ID = "airport_weather/v1/20-1f3a9c42"
SCHEMA: dict[str, Any] = {"format": 1, "columns": [["temp", "Float64"], ["note", "String"]]}
PUSHED: dict[str, Any] = {**SCHEMA, PUSHES: True}
NOW = 1_000_000_000_000_000
Pairs = list[tuple[bytes, bytes]]


class _BrokenError(Exception):
    """Raised by a source of rows."""


def pairs(count: int, *, size: int = 20) -> Pairs:
    """Return `count` pairs in the order of their keys."""
    return [
        (b"\x00" + number.to_bytes(8, "big"), number.to_bytes(4, "little") * (size // 4)) for number in range(count)
    ]


def row(event_time: int, text: bytes = b"") -> bytes:
    """Return a row of an event time, microseconds since 1970 UTC."""
    return event_time.to_bytes(8, "little", signed=True) + text


class OnlineStoreSuite:
    """The contract of `OnlineStore`, as tests."""

    @pytest.fixture
    def open_store(self) -> Callable[[], OnlineStore]:
        """Return a function that opens the storage of this test: each call another object, the same generations."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: Callable[[], OnlineStore]) -> Iterator[OnlineStore]:
        """One opened store."""
        with open_store() as store:
            yield store

    def test_rows_come_back_in_the_order_of_the_keys_asked_for(self, store: OnlineStore) -> None:
        assert store.write(ID, SCHEMA, pairs(100)) == 100
        rows = dict(pairs(100))
        asked = [b"\x00" + number.to_bytes(8, "big") for number in (99, 0, 7, 7, 50)]
        assert store.read(ID, asked) == [rows[key] for key in asked]

    def test_a_null_or_unknown_key_has_no_row(self, store: OnlineStore) -> None:
        store.write(ID, SCHEMA, [(b"\x00a", b"1")])
        assert store.read(ID, [None, b"\x00b", b"\x00a", b"\x00"]) == [None, None, b"1", None]
        assert store.read(ID, []) == []

    def test_rows_may_arrive_in_any_order(self, store: OnlineStore) -> None:
        shuffled = pairs(5_000)
        random.Random(7).shuffle(shuffled)
        assert store.write(ID, SCHEMA, shuffled) == 5_000
        assert store.read(ID, [key for key, _ in shuffled]) == [row for _, row in shuffled]

    def test_rows_are_taken_from_an_iterator_and_may_be_large_or_empty(self, store: OnlineStore) -> None:
        rows = [(b"\x00empty", b""), (b"\x00large", b"x" * 3_000_000), (b"\x01" + b"k" * 480, b"longest key")]
        assert store.write(ID, SCHEMA, iter(rows)) == 3
        assert store.read(ID, [key for key, _ in rows]) == [row for _, row in rows]

    def test_keys_may_hold_any_byte(self, store: OnlineStore) -> None:
        rows = [(bytes([0, value]), bytes([value])) for value in range(256)] + [(b"\x00\x00\x00", b"nulls")]
        store.write(ID, SCHEMA, rows)
        assert store.read(ID, [key for key, _ in rows]) == [row for _, row in rows]

    def test_a_generation_may_be_empty(self, store: OnlineStore) -> None:
        assert store.write(ID, SCHEMA, []) == 0
        assert store.generations() == [ID]
        assert store.read(ID, [b"\x00a"]) == [None]

    def test_the_schema_comes_back(self, store: OnlineStore) -> None:
        store.write(ID, SCHEMA, [])
        assert dict(store.schema(ID)) == SCHEMA

    def test_generations_are_apart(self, store: OnlineStore) -> None:
        other = "airport_weather/v2/21-00000000"
        store.write(ID, SCHEMA, [(b"\x00a", b"one")])
        store.write(other, {**SCHEMA, "columns": []}, [(b"\x00a", b"two"), (b"\x00b", b"more")])
        assert store.generations() == [ID, other]
        assert store.read(ID, [b"\x00a", b"\x00b"]) == [b"one", None]
        assert store.read(other, [b"\x00a", b"\x00b"]) == [b"two", b"more"]
        assert store.schema(other)["columns"] == []

    def test_a_generation_never_changes(self, store: OnlineStore) -> None:
        store.write(ID, SCHEMA, [(b"\x00a", b"one")])
        with pytest.raises(ConflictError, match="exists"):
            store.write(ID, SCHEMA, [(b"\x00a", b"two")])
        assert store.read(ID, [b"\x00a"]) == [b"one"]

    def test_a_failure_leaves_nothing_visible_and_the_id_free(self, store: OnlineStore) -> None:
        def broken() -> Iterator[tuple[bytes, bytes]]:
            yield from pairs(1_000)
            raise _BrokenError

        with pytest.raises(_BrokenError):
            store.write(ID, SCHEMA, broken())
        assert store.generations() == []
        with pytest.raises(NotPublishedError):
            store.read(ID, [b"\x00a"])
        assert store.write(ID, SCHEMA, pairs(10)) == 10

    @pytest.mark.parametrize("distance", [1, 1_000])
    def test_two_rows_of_one_key_are_refused(self, store: OnlineStore, distance: int) -> None:
        rows = pairs(2_000)
        with pytest.raises(ContractError, match="one key"):
            store.write(ID, SCHEMA, [*rows, rows[-distance]])
        assert store.generations() == []

    @pytest.mark.parametrize("key", [b"", b"k" * 482])
    def test_a_key_that_no_store_can_hold_is_refused(self, store: OnlineStore, key: bytes) -> None:
        with pytest.raises(ContractError, match="1 to 481 bytes"):
            store.write(ID, SCHEMA, [(b"\x00a", b""), (key, b"row")])
        assert store.generations() == []

    def test_what_is_not_there_is_told(self, store: OnlineStore) -> None:
        assert store.generations() == []
        for attempt in (lambda: store.read(ID, [b"\x00a"]), lambda: store.schema(ID)):
            with pytest.raises(NotPublishedError, match=ID):
                attempt()

    def test_dropped_is_gone(self, store: OnlineStore, open_store: Callable[[], OnlineStore]) -> None:
        other = "airport_weather/v1/21-00000000"
        store.write(ID, SCHEMA, [(b"\x00a", b"one")])
        store.write(other, SCHEMA, [(b"\x00a", b"two")])
        assert store.read(ID, [b"\x00a"]) == [b"one"]
        store.drop(ID)
        store.drop(ID)
        assert store.generations() == [other]
        assert store.read(other, [b"\x00a"]) == [b"two"]
        for one in (store, open_store()):
            with pytest.raises(NotPublishedError):
                one.read(ID, [b"\x00a"])
            one.close()

    def test_another_object_sees_the_same(self, store: OnlineStore, open_store: Callable[[], OnlineStore]) -> None:
        with open_store() as reader:
            store.write(ID, SCHEMA, [(b"\x00a", b"one")])
            assert reader.generations() == [ID]
            assert reader.read(ID, [b"\x00a"]) == store.read(ID, [b"\x00a"]) == [b"one"]
            store.close()
            store.close()
            assert reader.read(ID, [b"\x00a"]) == [b"one"]
        with open_store() as again:
            assert again.read(ID, [b"\x00a"]) == [b"one"]

    def test_many_threads_read_while_generations_come_and_go(self, store: OnlineStore) -> None:
        store.write(ID, SCHEMA, pairs(500))
        rows = dict(pairs(500))
        wrong: list[object] = []
        done = threading.Event()

        def reader(seed: int) -> None:
            draw = random.Random(seed)
            while not done.is_set():
                asked = draw.sample(sorted(rows), 50)
                try:
                    if store.read(ID, asked) != [rows[key] for key in asked]:
                        wrong.append(asked)
                except Exception as error:
                    wrong.append(error)
                    raise

        threads = [threading.Thread(target=reader, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        try:
            for number in range(20):
                passing = f"airport_weather/v1/{number}-aaaaaaaa"
                store.write(passing, SCHEMA, pairs(50))
                assert store.read(passing, [pairs(50)[49][0]]) == [pairs(50)[49][1]]
                store.drop(passing)
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert not wrong
        assert store.generations() == [ID]

    def test_writers_at_once_do_not_disturb_each_other(self, open_store: Callable[[], OnlineStore]) -> None:
        ids = [f"airport_weather/v1/{number}-aaaaaaaa" for number in range(4)]
        written: dict[str, int] = {}

        def write(generation: str) -> None:
            with open_store() as one:
                written[generation] = one.write(generation, SCHEMA, pairs(3_000))

        threads = [threading.Thread(target=write, args=(generation,)) for generation in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert written == dict.fromkeys(ids, 3_000)
        keys, rows = map(list, zip(*pairs(3_000), strict=True))
        with open_store() as store:
            assert store.generations() == ids
            assert all(store.read(generation, keys) == rows for generation in ids)

    def test_of_two_writers_of_one_id_the_first_to_finish_wins(self, open_store: Callable[[], OnlineStore]) -> None:
        def overtaken() -> Iterator[tuple[bytes, bytes]]:
            yield b"\x00a", b"late"
            with open_store() as other:
                other.write(ID, SCHEMA, [(b"\x00a", b"first")])

        with open_store() as store:
            with pytest.raises(ConflictError, match="exists"):
                store.write(ID, SCHEMA, overtaken())
            assert store.read(ID, [b"\x00a"]) == [b"first"]
            assert store.generations() == [ID]

    @pytest.mark.parametrize("name", ["", "/x", "../x", "a//b", "a/", ".building/x", "a b", "ä"])
    def test_what_is_no_id_is_refused(self, store: OnlineStore, name: str) -> None:
        with pytest.raises(RequestError, match="not the id"):
            store.write(name, SCHEMA, [])
        assert store.generations() == []

    # ------------------------------------------------------------------------------------------- pushed rows

    def test_of_pushed_rows_the_last_event_time_wins_to_the_microsecond(self, store: OnlineStore) -> None:
        store.write(ID, PUSHED, [(b"\x00a", row(NOW - 5, b"published"))])
        times = [NOW - 3, NOW - 1, NOW - 2, NOW - 9]
        for sequence, time in enumerate(times):
            store.push(ID, [(b"\x00a", overlay.value(row(time), sequence=sequence))], NOW)
        assert store.push(ID, [(b"\x00b", overlay.value(row(NOW - 7), sequence=9))], NOW) == 1
        keys = [b"\x00b", None, b"\x00a", b"\x00c"]
        rows = store.read(ID, keys)
        assert rows == [None, None, row(NOW - 5, b"published"), None]
        assert overlay.newest(rows, store.pushed(ID, keys), NOW) == [row(NOW - 7), None, row(NOW - 1), None]

    def test_a_push_again_changes_nothing(self, store: OnlineStore) -> None:
        store.write(ID, PUSHED, [])
        values = [(key, overlay.value(row(NOW - 1, key), sequence=1)) for key, _ in pairs(50)]
        assert store.push(ID, values, NOW) == 50
        held = store.pushed(ID, [key for key, _ in values])
        assert store.push(ID, iter(values), NOW) == 0
        assert store.pushed(ID, [key for key, _ in values]) == held == [value for _, value in values]
        assert store.push(ID, [], NOW) == 0

    def test_of_one_event_time_the_row_pushed_last_wins_in_whatever_order_they_arrive(self, store: OnlineStore) -> None:
        store.write(ID, PUSHED, [])
        last = overlay.value(row(NOW, b"second"), sequence=2)
        store.push(ID, [(b"\x00a", last), (b"\x00a", overlay.value(row(NOW, b"first"), sequence=1))], NOW)
        assert store.pushed(ID, [b"\x00a"]) == [last]

    def test_a_row_of_a_later_time_waits_for_it(self, store: OnlineStore) -> None:
        store.write(ID, PUSHED, [])
        for sequence, time in enumerate([NOW - 1, NOW + 1]):
            store.push(ID, [(b"\x00a", overlay.value(row(time), sequence=sequence))], NOW)
        values = store.pushed(ID, [b"\x00a"])
        assert overlay.newest([None], values, NOW) == [row(NOW - 1)]
        assert overlay.newest([None], values, NOW + 1) == [row(NOW + 1)]

    def test_a_generation_that_takes_no_pushes_says_so_and_reads_as_before(self, store: OnlineStore) -> None:
        store.write(ID, SCHEMA, [(b"\x00a", b"one")])
        with pytest.raises(ContractError, match="takes no pushed rows"):
            store.push(ID, [(b"\x00a", overlay.value(row(NOW), sequence=1))], NOW)
        assert store.pushed(ID, [b"\x00a", None]) == [None, None]
        assert list(store.overlay(ID)) == []

    def test_pushed_rows_of_what_is_not_there_are_told(self, store: OnlineStore) -> None:
        value = overlay.value(row(NOW), sequence=1)
        for attempt in (
            lambda: store.push(ID, [(b"\x00a", value)], NOW),
            lambda: store.pushed(ID, [b"\x00a"]),
            lambda: list(store.overlay(ID)),
        ):
            with pytest.raises(NotPublishedError, match=ID):
                attempt()

    @pytest.mark.parametrize("key", [b"", b"k" * 482])
    def test_a_key_that_no_store_can_hold_is_not_pushed(self, store: OnlineStore, key: bytes) -> None:
        store.write(ID, PUSHED, [])
        with pytest.raises(ContractError, match="1 to 481 bytes"):
            store.push(ID, [(key, overlay.value(row(NOW), sequence=1))], NOW)

    def test_an_overlay_is_its_generations_own_and_goes_with_it(
        self, store: OnlineStore, open_store: Callable[[], OnlineStore]
    ) -> None:
        other = "airport_weather/v1/21-00000000"
        for generation in (ID, other):
            store.write(generation, PUSHED, [])
        value = overlay.value(row(NOW), sequence=1)
        store.push(ID, [(b"\x00a", value)], NOW)
        with open_store() as reader:
            assert reader.pushed(ID, [b"\x00a"]) == [value]
            assert reader.pushed(other, [b"\x00a"]) == [None]
            store.push(ID, [(b"\x00b", value)], NOW)
            assert reader.pushed(ID, [b"\x00b"]) == [value]
            store.drop(ID)
            assert store.generations() == [other]
        with open_store() as again, pytest.raises(NotPublishedError):
            again.pushed(ID, [b"\x00a"])

    def test_an_overlay_is_carried_into_another_generation(self, store: OnlineStore) -> None:
        other = "airport_weather/v1/21-00000000"
        for generation in (ID, other):
            store.write(generation, PUSHED, [])
        values = [(key, overlay.value(row(NOW - 1, text), sequence=1)) for key, text in pairs(10_000)]
        random.Random(7).shuffle(values)
        assert store.push(ID, values, NOW) == len(values)
        newer = overlay.value(row(NOW, b"newer"), sequence=2)
        store.push(other, [(values[0][0], newer)], NOW)
        assert store.push(other, store.overlay(ID), NOW) == len(values)  # one of them is remembered as pruned
        assert sorted(store.overlay(ID)) == sorted(values)
        found = dict(store.overlay(other))
        assert len(found) == len(values)
        assert overlay.newest([None], [found[values[0][0]]], NOW) == [row(NOW, b"newer")]
        assert [found[key] for key, _ in values[1:]] == [value for _, value in values[1:]]

    def test_no_pushed_row_is_lost_whoever_pushes_at_once(self, open_store: Callable[[], OnlineStore]) -> None:
        with open_store() as store:
            store.write(ID, PUSHED, [])
        keys = [key for key, _ in pairs(20)]
        pushes = [
            (key, overlay.value(row(NOW - draw.randrange(50), str(number).encode()), sequence=number))
            for draw in [random.Random(3)]
            for number, key in enumerate(keys * 30)
        ]
        failed: list[Exception] = []

        def push(mine: Pairs) -> None:
            try:
                with open_store() as one:
                    for start in range(0, len(mine), 7):
                        one.push(ID, mine[start : start + 7], NOW)
            except Exception as error:
                failed.append(error)
                raise

        threads = [threading.Thread(target=push, args=(pushes[number::4],)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        expected: dict[bytes, bytes] = {}
        for key, value in pushes:
            expected[key] = overlay.merge(expected.get(key), value, NOW)
        with open_store() as store:
            assert dict(store.overlay(ID)) == expected
