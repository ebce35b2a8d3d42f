"""The distances equal what their definitions give on the values themselves."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurestore.model.sketches import Histogram
from featurestore.quality import drift

values = st.lists(st.integers(-20, 20), min_size=1, max_size=40)


def histogram(numbers: list[int] | np.ndarray) -> Histogram:
    """Return the exact histogram of numbers, built by the model's own merge of one-value histograms."""
    found = Histogram()
    for number, count in sorted(Counter(float(item) for item in numbers).items()):
        bits = int(np.float64(abs(number)).view(np.int64))
        place = -bits if number < 0 else bits
        found = found.merged(Histogram(52, (place,), (count,)))
    return found


@given(values, values)
def test_smirnov_is_the_greatest_difference_of_cumulative_shares(one: list[int], other: list[int]) -> None:
    points = sorted({*one, *other})
    wanted = max(abs(np.mean(np.array(one) <= x) - np.mean(np.array(other) <= x)) for x in points)
    assert drift.kolmogorov_smirnov(histogram(one), histogram(other)) == pytest.approx(wanted)


@given(values, values)
def test_wasserstein_is_the_mean_move_of_matched_quantiles(one: list[int], other: list[int]) -> None:
    a, b = (np.sort(np.repeat(part, times)) for part, times in ((one, len(other)), (other, len(one))))
    assert drift.wasserstein(histogram(one), histogram(other)) == pytest.approx(float(np.abs(a - b).mean()))


@given(values)
def test_quantiles_and_cumulative_shares_undo_each_other(numbers: list[int]) -> None:
    found = histogram(numbers)
    ranks = drift.cumulative(found, np.array(sorted(set(numbers)), dtype=float))
    assert drift.quantiles(found, ranks) == pytest.approx(sorted(set(numbers)))


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_jensen_shannon_is_a_bounded_metric(one: list[float], other: list[float]) -> None:
    p, q = drift.shares(dict(enumerate(x + 0.01 for x in one)), dict(enumerate(x + 0.01 for x in other)))
    assert 0 <= drift.jensen_shannon(p, q) <= 1
    assert drift.jensen_shannon(p, q) == pytest.approx(drift.jensen_shannon(q, p))
    assert drift.jensen_shannon(p, p) == 0
    assert drift.population_stability(p, q, rows=100) >= 0


def test_known_values() -> None:
    nothing_alike = drift.jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert nothing_alike == pytest.approx(1.0)
    assert drift.population_stability(np.array([0.5, 0.5]), np.array([0.25, 0.75]), rows=100) == pytest.approx(
        0.25 * np.log(2) + 0.25 * np.log(1.5)
    )
    assert drift.critical_distance(100, 100, 0.05) == pytest.approx(1.3581 / np.sqrt(50), rel=1e-4)


def test_bins_bound_the_distance_of_many_values() -> None:
    drawn = np.random.default_rng(1)
    one, other = drawn.normal(0, 1, 3_000), drawn.normal(0.2, 1, 3_000)
    points = np.sort(np.concatenate([one, other]))
    wanted = np.abs(
        np.searchsorted(np.sort(one), points, "right") - np.searchsorted(np.sort(other), points, "right")
    ).max()
    rounded = [np.round(part, 2) for part in (one, other)]
    found = drift.kolmogorov_smirnov(histogram(rounded[0]), histogram(rounded[1]))
    assert found <= wanted / 3_000 + 0.01
    assert found == pytest.approx(wanted / 3_000, abs=0.02)
