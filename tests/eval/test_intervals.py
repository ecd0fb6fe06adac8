"""Intervals and p values against scipy, and at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from doyen.core.statistics import mean_interval, paired_difference, sign_flip_p

SCORES = st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), min_size=1, max_size=40)


def scores(n: int, seed: int = 0) -> np.ndarray:
    """Skewed scores as metrics give them: many zeros, some ones."""
    rng = np.random.default_rng(seed)
    return np.round(np.clip(rng.beta(0.6, 1.4, n) * 1.3 - 0.1, 0, 1), 2)


@pytest.mark.parametrize(("method", "theirs"), [("bca", "BCa"), ("percentile", "percentile")])
@pytest.mark.parametrize("n", [7, 40, 447])
def test_interval_equals_scipys(method: str, theirs: str, n: int) -> None:
    values = scores(n) + np.random.default_rng(n).random(n) * 1e-3  # no ties, where scipy lets rounding decide
    ours = mean_interval(values, samples=1000, seed=3, method=method)  # type: ignore[arg-type]
    # The same generator draws the same resamples, so that the two agree to rounding and not only roughly.
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=1000, method=theirs, rng=np.random.default_rng(3), vectorized=True
    ).confidence_interval
    # In seven values the sample itself is drawn now and then, and there scipy's rounding decides half a rank.
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high), abs=1e-9 if n > 10 else 0.01)


def test_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    truth, hits = 0.3, 0
    rng = np.random.default_rng(1)
    for _ in range(300):
        interval = mean_interval((rng.random(60) < truth).astype(float), samples=400, seed=5)
        hits += interval.low <= truth <= interval.high
    assert 0.90 <= hits / 300 <= 0.985


@pytest.mark.parametrize("n", [3, 6, 9])
def test_few_pairs_give_the_exact_permutation_p(n: int) -> None:
    a, b = scores(n, 1), scores(n, 2)
    expected = stats.permutation_test(
        (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    assert sign_flip_p(a - b, samples=2000, seed=0) == pytest.approx(expected.pvalue)


def test_many_pairs_give_nearly_scipys_p() -> None:
    a, b = scores(120, 1), np.clip(scores(120, 2) + 0.05, 0, 1)
    expected = stats.permutation_test(
        (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", vectorized=True, n_resamples=20_000,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert sign_flip_p(a - b, samples=20_000, seed=0) == pytest.approx(expected.pvalue, abs=0.02)


def test_p_is_uniform_when_there_is_no_difference() -> None:
    rng = np.random.default_rng(7)
    found = [sign_flip_p(rng.normal(size=40), samples=400, seed=1) for _ in range(200)]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_clusters_widen_the_interval_of_answers_that_hang_together() -> None:
    documents = np.repeat(np.arange(20), 10)
    values = np.repeat(scores(20), 10)
    single = mean_interval(values, samples=1000, seed=0)
    clustered = mean_interval(values, samples=1000, seed=0, clusters=documents.tolist())
    assert clustered.mean == pytest.approx(single.mean)
    assert (clustered.high - clustered.low) > 2 * (single.high - single.low)
    # One label a value is the same as no labels.
    alone = mean_interval(values, samples=1000, seed=0, clusters=list(range(200)))
    assert alone == single


@settings(max_examples=60, deadline=None)
@given(values=SCORES)
def test_interval_counts_nan_and_lies_around_the_mean(values: list[float]) -> None:
    array = np.array(values)
    interval = mean_interval(array, samples=200, seed=0)
    assert interval.n + interval.nan == len(values)
    assert interval.nan == int(np.isnan(array).sum())
    if interval.n == 0:
        assert (interval.mean, interval.low, interval.high) == (None, None, None)
        return
    kept = array[~np.isnan(array)]
    assert interval.mean == pytest.approx(kept.mean())
    assert (interval.low is None) == (interval.high is None) == (len(kept) < 6 or (np.ptp(kept) == 0 and len(kept) < 30))
    if interval.low is None:
        return
    assert kept.min() - 1e-6 <= interval.low <= interval.high <= kept.max() + 1e-6


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(st.floats(0, 1), st.one_of(st.floats(0, 1), st.just(math.nan))), min_size=1, max_size=30))
def test_a_difference_turns_its_sign_with_its_sides(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    forth, back = (paired_difference(*sides, samples=200, seed=0, method="percentile") for sides in ((a, b), (b, a)))
    assert forth.n == back.n == int((~np.isnan(b)).sum())
    if forth.n:
        assert forth.delta == pytest.approx(-back.delta)
        assert (forth.low is None) == (back.high is None)
        if forth.low is not None:
            assert forth.low == pytest.approx(-back.high, abs=1e-6)
        assert forth.p == pytest.approx(back.p)
        assert 0 < forth.p <= 1


@pytest.mark.parametrize("values", [[0.4], [0.4] * 9, [0.1, 0.9], [0.1, 0.2, 0.3, 0.4, 0.5]])
def test_too_few_or_too_equal_values_have_no_interval(values: list[float]) -> None:
    interval = mean_interval(np.array(values), samples=200, seed=0)
    assert interval.mean == pytest.approx(np.mean(values))
    assert (interval.low, interval.high, interval.n) == (None, None, len(values))
    assert mean_interval(np.full(30, 0.4), samples=200, seed=0).low == pytest.approx(0.4)


@pytest.mark.parametrize(("right", "n"), [(0, 2), (2, 2), (1, 2), (7, 40), (40, 40), (0, 447)])
def test_rates_have_exact_bounds(right: int, n: int) -> None:
    interval = mean_interval(np.array([1.0] * right + [0.0] * (n - right)), samples=200, seed=0, rate=True)
    expected = stats.binomtest(right, n).proportion_ci(0.95, method="exact")
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_rates_in_clusters_are_at_least_as_unsure() -> None:
    values, documents = np.repeat(np.arange(20) % 2, 10).astype(float), np.repeat(np.arange(20), 10).tolist()
    single = mean_interval(values, samples=500, seed=0, rate=True)
    clustered = mean_interval(values, samples=500, seed=0, rate=True, clusters=documents)
    assert clustered.low < single.low
    assert clustered.high > single.high


def test_the_permutation_keeps_its_promise_on_sparse_scores() -> None:
    """Where nine in ten differences are 0 and there is none, p is below 0.05 in no more than 5% of the cases."""
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(400):
        differences = np.where(rng.random(40) < 0.1, rng.choice([-1.0, 1.0], 40) * rng.random(40), 0.0)
        alarms += sign_flip_p(differences, samples=999, seed=1) < 0.05
    assert alarms / 400 <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5


def test_equal_answers_differ_by_nothing_with_p_one() -> None:
    same = scores(30)
    difference = paired_difference(same, same, samples=500, seed=0)
    assert (difference.delta, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 2"):
        paired_difference(np.zeros(3), np.zeros(2), samples=200, seed=0)
