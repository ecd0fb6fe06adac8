"""Coefficients against published worked examples, against reference libraries, and by their properties."""

from __future__ import annotations

import warnings
from itertools import permutations

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import cohen_kappa_score

from doyen.annotation.quality.coefficients import (
    cohen_kappa,
    distance_alpha,
    f1,
    figure,
    fleiss_kappa,
    interval,
    label_alphas,
    mean,
    nominal_alpha,
    ordinal_alpha,
)
from doyen.annotation.quality.comparison import (
    Mark,
    ceaf_e,
    exact,
    jaccard,
    masi,
    muc,
    overlapping,
    pair_up,
    rouge_l,
    token_f1,
)
from doyen.core.text import words

NAN = np.nan

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", sections A to C.
MEG_AND_OWEN = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
BEN_AND_GERRY = [list("aabbdcccedda"), list("babbbccceddd")]
FOUR_OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]

# Fleiss (1971), table 1: 30 patients, six psychiatrists; depression, personality disorder, schizophrenia, neurosis, other.
DIAGNOSES = """00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031 00501 30012 51000 02040
10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006"""

ratings = arrays.arrays(np.int64, st.tuples(st.integers(2, 5), st.integers(2, 30)), elements=st.integers(0, 3))
with_gaps = arrays.arrays(np.int64, st.tuples(st.integers(2, 5), st.integers(2, 30)), elements=st.integers(-1, 3))
places = st.tuples(st.integers(0, 12), st.integers(1, 5), st.sampled_from("AB")).map(lambda s: (s[0], s[0] + s[1], s[2]))
span_sets = st.sets(places, max_size=5)
mentions = st.lists(st.integers(0, 3), max_size=7)


def counts(table: list[list[object]] | np.ndarray, missing: object = NAN) -> np.ndarray:
    """Return (n_units, n_labels) from answers by annotator."""
    answers = np.array(table, dtype=object)
    present = sorted({a for a in answers.ravel() if a == a and a != missing})
    return np.array([[sum(a == label for a in unit) for label in present] for unit in answers.T], float)


def clusters(assignment: list[int], shift: int = 0) -> list[frozenset[tuple[int, int]]]:
    """Return clusters of mentions, the n-th mention being (n, n + 1)."""
    found: dict[int, set[tuple[int, int]]] = {}
    for number, cluster in enumerate(assignment, start=shift):
        found.setdefault(cluster, set()).add((number, number + 1))
    return [frozenset(members) for members in found.values()]


def sets(*groups: str) -> list[frozenset[tuple[int, int]]]:
    """Return clusters of mentions that are named by letters."""
    return [frozenset((ord(name), ord(name) + 1) for name in group) for group in groups]


class TestPublishedExamples:
    def test_krippendorff_2011(self) -> None:
        assert nominal_alpha(counts(MEG_AND_OWEN)).value() == pytest.approx(0.095, abs=5e-4)
        assert nominal_alpha(counts(BEN_AND_GERRY)).value() == pytest.approx(0.692, abs=5e-4)
        assert nominal_alpha(counts(FOUR_OBSERVERS)).value() == pytest.approx(0.743, abs=5e-4)
        assert ordinal_alpha(counts(FOUR_OBSERVERS)).value() == pytest.approx(0.815, abs=5e-4)

    def test_fleiss_1971(self) -> None:
        table = np.array([[int(digit) for digit in row] for row in DIAGNOSES.split()], float)
        assert table.shape == (30, 5)
        assert table.sum(0) / 180 == pytest.approx([0.144, 0.144, 0.167, 0.306, 0.239], abs=5e-4)
        assert fleiss_kappa(table).value() == pytest.approx(0.430, abs=5e-4)

    def test_links_of_vilain_1995(self) -> None:
        """The paper's recall and precision; F1 is their harmonic mean: of 2/3 and 2/2, and of 1/3 and 1/1."""
        assert muc(sets("abcd"), sets("ab", "cd")) == (2, 5)
        assert muc(sets("ab", "cd"), sets("abcd")).f1 == pytest.approx(0.8)
        assert muc(sets("abcd"), sets("ab", "c", "d")).f1 == pytest.approx(0.5)

    def test_clusters_of_luo_2005(self) -> None:
        """Table 1: one reference, four responses; MUC's F1 and CEAF's with phi 4."""
        reference = sets("12345", "67", "89ABC")
        responses = [sets("12345", "6789ABC"), sets("1234589ABC", "67"), sets("123456789ABC"), sets(*"123456789ABC")]
        assert [muc(reference, r).f1 for r in responses] == pytest.approx([0.947, 0.947, 0.900, 0], abs=5e-4)
        assert [ceaf_e(reference, r).f1 for r in responses] == pytest.approx([0.733, 0.667, 0.294, 0.178], abs=5e-4)

    def test_sets_of_passonneau_2006(self) -> None:
        """MASI is Jaccard times 1 for equal sets, 2/3 where one holds the other, 1/3 where they cross."""
        assert masi("ab", "ba") == 1
        assert masi("ab", "abc") == pytest.approx(2 / 3 * 2 / 3)
        assert masi("abc", "bcd") == pytest.approx(1 / 2 * 1 / 3)
        assert masi("ab", "cd") == 0
        assert masi("", "") == 1


class TestOracles:
    @given(ratings)
    @settings(max_examples=60, deadline=None)
    def test_cohen_is_scikit_learn_s(self, table: np.ndarray) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = cohen_kappa_score(table[0], table[1])
        assert cohen_kappa(table[0], table[1], 4).value() == pytest.approx(expected, abs=1e-9, nan_ok=True)

    @given(with_gaps)
    @settings(max_examples=60, deadline=None)
    def test_alpha_is_krippendorff_s(self, table: np.ndarray) -> None:
        pairable = counts(table, -1)[(table >= 0).sum(0) > 1]
        assume((pairable.sum(0) > 0).sum() > 1)
        data = np.where(table < 0, NAN, table)
        for level, ours in (("nominal", nominal_alpha), ("ordinal", ordinal_alpha)):
            expected = krippendorff.alpha(data, level_of_measurement=level)
            assert ours(counts(table, -1)).value() == pytest.approx(expected, abs=1e-9)

    @given(with_gaps)
    @settings(max_examples=30, deadline=None)
    def test_one_against_the_rest_is_alpha_of_two_labels(self, table: np.ndarray) -> None:
        own = counts(table, -1)
        found = label_alphas(own, own.sum(1)).value()
        for column in range(own.shape[1]):
            binary = np.column_stack([own[:, column], own.sum(1) - own[:, column]])
            assert found[column] == pytest.approx(nominal_alpha(binary).value(), abs=1e-9, nan_ok=True)

    @given(with_gaps)
    @settings(max_examples=30, deadline=None)
    def test_a_distance_of_one_is_nominal(self, table: np.ndarray) -> None:
        own = counts(table, -1)
        found = distance_alpha(own, 1 - np.eye(own.shape[1])).value()
        assert found == pytest.approx(nominal_alpha(own).value(), abs=1e-9, nan_ok=True)

    @given(mentions, mentions, st.integers(0, 3))
    @settings(max_examples=80, deadline=None)
    def test_coreference_is_what_the_definitions_say(self, mine: list[int], yours: list[int], shift: int) -> None:
        key, response = clusters(mine), clusters(yours, shift)
        recall = sum(len(k) - _parts(k, response) for k in key)
        precision = sum(len(r) - _parts(r, key) for r in response)
        links = sum(len(c) - 1 for c in [*key, *response])
        assert recall == precision
        assert muc(key, response) == (recall, links)
        short, long = sorted((key, response), key=len)
        best = max(
            sum(2 * len(a & b) / (len(a) + len(b)) for a, b in zip(short, p, strict=True)) for p in _choices(long, short)
        )
        assert ceaf_e(key, response).hits == pytest.approx(best)

    @given(span_sets, span_sets)
    @settings(max_examples=80, deadline=None)
    def test_overlaps_are_a_largest_matching(self, mine: set[tuple[int, int, str]], yours: set[tuple[int, int, str]]) -> None:
        short, long = sorted((sorted(mine), sorted(yours)), key=len)
        best = max(
            sum(a[2] == b[2] and max(a[0], b[0]) < min(a[1], b[1]) for a, b in zip(short, p, strict=True))
            for p in _choices(long, short)
        )
        assert overlapping(mine, yours) == (best, len(mine) + len(yours))


class TestProperties:
    @given(ratings)
    @settings(max_examples=40, deadline=None)
    def test_who_is_who_and_what_labels_are_called_change_nothing(self, table: np.ndarray) -> None:
        own, renamed = counts(table), counts(3 - table[::-1])
        for measure in (nominal_alpha, ordinal_alpha, fleiss_kappa):
            assert measure(own).value() == pytest.approx(measure(renamed).value(), abs=1e-9, nan_ok=True)
        forth, back = (cohen_kappa(a, b, 4).value() for a, b in ((table[0], table[1]), (table[1], table[0])))
        assert forth == pytest.approx(back, abs=1e-12, nan_ok=True)

    @given(ratings)
    @settings(max_examples=40, deadline=None)
    def test_equal_labels_agree_wholly_and_one_label_says_nothing(self, table: np.ndarray) -> None:
        same = np.array([table[0], table[0], table[0]])
        for value in (
            nominal_alpha(counts(same)).value(),
            ordinal_alpha(counts(same)).value(),
            fleiss_kappa(counts(same)).value(),
            cohen_kappa(table[0], table[0], 4).value(),
        ):
            assert np.isnan(value) if len(set(table[0])) == 1 else value == pytest.approx(1)

    @given(span_sets, span_sets, mentions, mentions)
    @settings(max_examples=60, deadline=None)
    def test_matches_do_not_depend_on_the_order(
        self, mine: set[tuple[int, int, str]], yours: set[tuple[int, int, str]], a: list[int], b: list[int]
    ) -> None:
        assert overlapping(mine, yours) == overlapping(yours, mine)
        assert exact(mine, yours).hits <= overlapping(mine, yours).hits
        assert exact(mine, mine).f1 == overlapping(mine, mine).f1 == 1
        assert muc(clusters(a), clusters(b)) == muc(clusters(b), clusters(a))
        assert ceaf_e(clusters(a), clusters(b)).hits == pytest.approx(ceaf_e(clusters(b), clusters(a)).hits)
        assert ceaf_e(clusters(a), clusters(a)).f1 == pytest.approx(1)

    @given(st.text(max_size=40), st.text(max_size=40))
    @settings(max_examples=60, deadline=None)
    def test_texts_are_alike_as_much_either_way(self, mine: str, yours: str) -> None:
        for alike in (token_f1, rouge_l):
            assert alike(mine, yours) == alike(yours, mine)
            assert alike(mine, mine) == 1
            assert 0 <= alike(mine, yours) <= 1
        assert rouge_l(mine, yours) <= token_f1(mine, yours) + 1e-12


def test_units_of_one_item_are_drawn_together() -> None:
    """Tokens count one by one for the value, but ten copies of a token in an item make the interval no narrower."""
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 3, 40), rng.integers(0, 3, 40)
    alone = figure(cohen_kappa(first, second, 3))
    copied = figure(cohen_kappa(np.repeat(first, 10), np.repeat(second, 10), 3, np.repeat(np.arange(40), 10)))
    assert copied.value == pytest.approx(alone.value)
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high))
    assert copied.items == alone.items == 40


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(200):
        low, high = interval(mean(rng.binomial(1, 0.8, (80, 1)).astype(float)), resamples=300)
        covered += bool(low[0] <= 0.8 <= high[0])
    assert 0.88 <= covered / 200 <= 0.99


def test_the_interval_does_not_depend_on_how_resamples_are_cut_into_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = nominal_alpha(counts(FOUR_OBSERVERS))
    whole = figure(measure)
    monkeypatch.setattr("doyen.annotation.quality.coefficients._BLOCK", 100)
    assert figure(measure) == whole


def test_undefined_figures_say_why() -> None:
    nothing = figure(nominal_alpha(np.zeros((0, 0))))
    assert np.isnan(nothing.value)
    assert nothing.items == 0
    assert "two annotators" in nothing.reason
    assert "only one label" in figure(nominal_alpha(np.array([[2.0], [3.0]]))).reason
    assert "nobody marked" in figure(f1(np.zeros(3), np.zeros(3))).reason
    single = figure(f1(np.array([1.0]), np.array([3.0])))
    assert single.value == pytest.approx(2 / 3)
    assert np.isnan(single.low)
    assert single.as_json() == {"value": pytest.approx(2 / 3), "low": None, "high": None, "items": 1}


def test_words_of_many_scripts() -> None:
    assert words("The Café’s PN-410: 4,000 h") == ("the", "café", "s", "pn", "410", "4", "000", "h")
    assert words("Cafe\u0301") == words("Café")
    assert words("東京タワー") == ("東", "京", "タ", "ワ", "ー")
    assert token_f1("replace it every 4,000 hours", "every 4,000 hours, replace it") == 1
    assert rouge_l("replace it every 4,000 hours", "every 4,000 hours, replace it") == pytest.approx(8 / 12)
    assert jaccard([], []) == 1


def _parts(members: frozenset[tuple[int, int]], others: list[frozenset[tuple[int, int]]]) -> int:
    """Return into how many parts the others cut a cluster; mentions that they lack are parts of their own."""
    held = [members & other for other in others if members & other]
    return len(held) + len(members) - sum(map(len, held))


def _choices(long: list, short: list) -> list[tuple]:
    return list(permutations(long, len(short)))


MARKS = st.sets(
    st.tuples(st.integers(0, 4), st.integers(1, 4), st.sampled_from("AB")).map(lambda m: (m[0], m[0] + m[1], m[2])), max_size=5
)


@given(MARKS, MARKS, st.booleans())
def test_the_matching_of_spans_does_not_depend_on_their_order(first: set[Mark], second: set[Mark], any_label: bool) -> None:
    """Several matchings may fit equally well and differ in what they say: the same one must come from either side."""
    there = pair_up(first, second, any_label=any_label)
    back = pair_up(second, first, any_label=any_label)
    assert sorted(there) == sorted((mine, yours) for yours, mine in back)
