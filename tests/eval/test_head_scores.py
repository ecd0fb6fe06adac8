"""Figures of heads: F1 as scikit-learn computes it, intervals that hold what is true, and the verdict on a better head."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from doyen.annotation.types.typed_labels import Classes, Entities, Region
from doyen.core.statistics import mean_interval, paired_difference
from doyen.eval.head_scores import Sampling, compare_heads, count_labels, judge_head, score_head
from doyen.eval.pooled_statistics import macro_f1, micro_f1, pooled_difference, pooled_interval
from doyen.finetune.heads.head_config import HeadType

SAMPLING = Sampling(500, 3)


def drawn(seed, n=200, names="abc", flips=0.2):
    chance = np.random.default_rng(seed)
    true = chance.choice(list(names), n, p=[0.6, 0.3, 0.1])
    said = np.where(chance.random(n) < flips, chance.choice(list(names), n), true)
    return [Classes((name,)) for name in said], [Classes((name,)) for name in true]


def named(labels):
    return [label.labels[0] for label in labels]


def test_accuracy_and_macro_f1_are_those_of_scikit_learn():
    said, true = drawn(1)
    figures = score_head(HeadType.CLASSIFICATION, said, true, SAMPLING)
    assert figures["metric"] == "accuracy"
    assert figures["accuracy"]["mean"] == pytest.approx(accuracy_score(named(true), named(said)), abs=1e-4)
    assert figures["macro_f1"]["mean"] == pytest.approx(f1_score(named(true), named(said), average="macro"), abs=1e-4)
    assert figures["classes"]["a"]["f1"] == pytest.approx(f1_score(named(true), named(said), average=None)[0], abs=1e-4)
    assert figures["accuracy"]["low"] < figures["accuracy"]["mean"] < figures["accuracy"]["high"]


def test_several_classes_are_scored_as_scikit_learn_does():
    chance = np.random.default_rng(2)
    true, said = ([Classes(tuple(name for name in "abc" if chance.random() < 0.4)) for _ in range(120)] for _ in range(2))
    figures = score_head(HeadType.MULTI_LABEL, said, true, SAMPLING)
    coder = MultiLabelBinarizer(classes=list("abc"))
    matrices = [coder.fit_transform([label.labels for label in labels]) for labels in (true, said)]
    assert figures["micro_f1"]["mean"] == pytest.approx(f1_score(*matrices, average="micro"), abs=1e-4)
    assert figures["macro_f1"]["mean"] == pytest.approx(f1_score(*matrices, average="macro"), abs=1e-4)
    assert figures["exact_match"]["mean"] == pytest.approx(accuracy_score(*matrices), abs=1e-4)


def test_an_entity_is_right_with_the_same_bounds_and_label_alone():
    true = [Entities((Region("1", 0, 4, "PART"), Region("2", 8, 9, "CODE")))]
    said = [Entities((Region("x", 0, 4, "PART"), Region("y", 8, 10, "CODE"), Region("z", 11, 12, "PART")))]
    counts, names = count_labels(said, true)
    assert names == ["CODE", "PART"]
    assert counts[0].tolist() == [[0, 1, 1], [1, 2, 1]]
    assert float(micro_f1(counts.sum(axis=0)[None])[0]) == pytest.approx(2 / 5)
    assert float(macro_f1(counts.sum(axis=0)[None])[0]) == pytest.approx(1 / 3)


def test_of_one_class_a_text_the_interval_and_p_are_those_of_a_mean():
    said, true = drawn(4)
    other, _ = drawn(5, flips=0.5)
    other = [own if n % 2 else wanted for n, (own, wanted) in enumerate(zip(other, true, strict=True))]
    right = [np.array([a == b for a, b in zip(each, true, strict=True)], float) for each in (said, other)]
    counts = [count_labels(each, true)[0] for each in (said, other)]
    drawn_so = {"samples": 500, "seed": 3}
    ours, theirs = pooled_interval(counts[0], micro_f1, **drawn_so), mean_interval(right[0], **drawn_so)
    assert (ours.mean, ours.low, ours.high) == pytest.approx((theirs.mean, theirs.low, theirs.high))
    difference, plain = pooled_difference(*counts, micro_f1, **drawn_so), paired_difference(*right, **drawn_so)
    assert (difference.delta, difference.low, difference.p) == pytest.approx((plain.delta, plain.low, plain.p))


def test_documents_are_drawn_whole_so_that_their_texts_count_as_few():
    said, true = drawn(6)
    clusters = [n // 20 for n in range(200)]
    said = [wanted if cluster % 2 else own for own, wanted, cluster in zip(said, true, clusters, strict=True)]
    whole = score_head(HeadType.CLASSIFICATION, said, true, Sampling(500, 3, clusters))["accuracy"]
    apart = score_head(HeadType.CLASSIFICATION, said, true, SAMPLING)["accuracy"]
    assert whole["high"] - whole["low"] > apart["high"] - apart["low"]
    assert score_head(HeadType.CLASSIFICATION, said[:5], true[:5], SAMPLING)["accuracy"]["low"] is None
    assert score_head(HeadType.CLASSIFICATION, [], [], SAMPLING)["accuracy"]["mean"] is None


def test_a_head_is_better_only_where_texts_show_it():
    said, true = drawn(7, flips=0.05)
    majority = [Classes(("a",))] * len(true)
    better = compare_heads(said, majority, true, SAMPLING)
    assert judge_head(HeadType.CLASSIFICATION, better, "the majority").met
    same = judge_head(HeadType.CLASSIFICATION, compare_heads(said, said, true, SAMPLING), "topics:1")
    assert not same.met
    few = judge_head(HeadType.CLASSIFICATION, compare_heads(said[:20], majority[:20], true[:20], SAMPLING), "x")
    assert "20 texts show too little" in few.why
    worse = judge_head(HeadType.CLASSIFICATION, compare_heads(majority, said, true, SAMPLING), "topics:1")
    assert not worse.met
    assert worse.figure < 0
    nothing = [Entities()] * 40
    marked = [Entities((Region("1", 0, n + 1, "PART"),)) for n in range(40)]
    assert judge_head(HeadType.ENTITIES, compare_heads(marked, nothing, marked, SAMPLING), "no entities").met
