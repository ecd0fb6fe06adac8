"""The agreement report of every task type, checked by hand on small cases."""

from __future__ import annotations

import json
import math
import random
from itertools import pairwise

import pytest

from doyen.annotation.quality.aggregation import consensus
from doyen.annotation.quality.agreement import agreement_report
from doyen.annotation.types.spans import Span
from doyen.annotation.types.typed_labels import (
    Classes,
    Coreference,
    Entities,
    Label,
    LabelledText,
    PromptResponse,
    Region,
    Relation,
    Tags,
)
from doyen.core.errors import InputError, NotFoundError
from doyen.core.records import REFUSAL


def said(annotator: str, *labels: Label | None, at: str = "2026-02-03T10:00:00Z") -> list[LabelledText]:
    """Return one annotator's labels of items 0, 1, …; None leaves an item out."""
    return [
        LabelledText(f"item-{number}", "text", label, annotator, at) for number, label in enumerate(labels) if label is not None
    ]


def classes(letters: str) -> list[Label | None]:
    return [None if letter == "." else Classes((letter,)) for letter in letters]


def entities(*found: tuple[int, int, str]) -> Entities:
    return Entities(tuple(Region(f"x{n}", *mark) for n, mark in enumerate(found)))


def tags(*names: str) -> Tags:
    return Tags(tuple(Region(f"t{n}", 3 * n, 3 * n + 2, name) for n, name in enumerate(names)))


def chain(*clusters: str) -> Coreference:
    """Mentions are digits; those of one string are linked in order."""
    mentions = tuple(Region(f"m{d}", int(d), int(d) + 1, "mention") for cluster in clusters for d in cluster)
    links = tuple(Relation(f"m{b}", f"m{a}") for cluster in clusters for a, b in pairwise(cluster))
    return Coreference(mentions, links)


def answer(text: str, rating: int | None = None, evidence: tuple[int, int] | None = None) -> PromptResponse:
    spans = (Span(*evidence, "x" * (evidence[1] - evidence[0])),) if evidence else ()
    return PromptResponse("How often?", text, text != REFUSAL, spans, rating=rating)


def test_classes_by_pair_label_and_overall() -> None:
    labels = [*said("ann", *classes("aabbcc..")), *said("ben", *classes("aabbca.b")), *said("cat", *classes("aab....b"))]
    report = agreement_report(labels, "classification")
    assert (report.items, report.shared) == (7, 7)
    assert report.annotators == {"ann": 6, "ben": 7, "cat": 4}
    assert list(report.pairs) == [("ann", "ben"), ("ann", "cat"), ("ben", "cat")]
    assert report.primary == "alpha"
    ann_ben = report.pairs["ann", "ben"]
    assert ann_ben["agreement"].value == pytest.approx(5 / 6)
    # Chance: a 2 × 3, b 2 × 2, c 2 × 1 of 36.
    assert ann_ben["cohen_kappa"].value == pytest.approx((5 / 6 - 12 / 36) / (1 - 12 / 36))
    assert ann_ben["cohen_kappa"].items == 6
    assert report.pairs["ann", "cat"]["alpha"].value == 1
    assert report.overall["agreement"].items == 7
    assert "cohen_kappa" not in report.overall
    assert report.overall["fleiss_kappa"].items == 4, "items with the commonest number of labels, which is two"
    assert {label: own["alpha"].items for label, own in report.labels.items()} == {"a": 3, "b": 3, "c": 2}
    assert report.labels["b"]["alpha"].value == 1


def test_sentiment_has_an_order_and_other_classes_may_be_given_one() -> None:
    near = [*said("ann", *map(_mood, "0122011")), *said("ben", *map(_mood, "0122010"))]
    far = [*said("ann", *map(_mood, "0122011")), *said("ben", *map(_mood, "0122012"))]
    ordinal = [agreement_report(labels, "sentiment").overall["alpha_ordinal"].value for labels in (near, far)]
    assert all(0 < value < 1 for value in ordinal)
    opposite = [*said("ann", *map(_mood, "0122010")), *said("ben", *map(_mood, "0122012"))]
    assert agreement_report(opposite, "sentiment").overall["alpha_ordinal"].value < min(ordinal)
    sizes = [*said("ann", *classes("smls")), *said("ben", *classes("smll"))]
    assert "alpha_ordinal" not in agreement_report(sizes, "classification").overall
    assert "alpha_ordinal" in agreement_report(sizes, "classification", order="sml").overall
    with pytest.raises(InputError, match="lacks m"):
        agreement_report(sizes, "classification", order="sl")


def test_several_classes_a_text() -> None:
    labels = [
        *said("ann", Classes(("a", "b")), Classes(("c",)), Classes(())),
        *said("ben", Classes(("b",)), Classes(("c",)), Classes(())),
    ]
    report = agreement_report(labels, "classification", multiple=True)
    assert report.primary == "alpha_masi"
    with pytest.raises(InputError, match="item item-0 has the classes a, b"):
        agreement_report(labels, "classification")
    assert report.overall["jaccard"].value == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert report.overall["masi"].value == pytest.approx((1 / 2 * 2 / 3 + 1 + 1) / 3)
    assert report.labels["b"]["alpha"].value == 1
    assert report.labels["a"]["alpha"].value == pytest.approx(0), "chosen once of six times, never together"


@pytest.mark.parametrize("several", [False, True])
def test_the_measure_follows_from_the_task_and_not_from_the_labels(several: bool) -> None:
    """Nobody has chosen two classes yet, but people may; and the known answers hold two."""
    labels = [*said("ann", *classes("aacc")), *said("ben", *classes("bbcc"))]
    gold: dict[str, Label] = {f"item-{n}": Classes(("a", "b") if n < 2 else ("c",)) for n in range(4)}
    report = agreement_report(labels, "classification", multiple=True, gold=gold)
    assert report.primary == "alpha_masi"
    for name in ("ann", "ben"):
        assert report.gold[name]["jaccard"].value == pytest.approx((1 / 2 + 1 / 2 + 1 + 1) / 4), "half right on two of four"
    assert report.gold["ann"]["alpha_masi"].value == pytest.approx(report.gold["ben"]["alpha_masi"].value)
    more = [*labels, *said("cat", Classes(("a", "b")))] if several else labels
    assert agreement_report(more, "classification", multiple=True).primary == "alpha_masi"
    assert list(agreement_report(more, "classification", multiple=True).overall) == list(report.overall)
    with pytest.raises(InputError, match="leave it out"):
        agreement_report(labels, "classification", multiple=True, order="abc")


def test_several_classes_are_decided_one_by_one_however_few_are_chosen() -> None:
    labels = [
        LabelledText("i", "t", Classes((name,)), annotator) for name, annotator in (("a", "ann"), ("b", "ben"), ("a", "cat"))
    ]
    assert consensus(labels, multiple=True)["i"].label == Classes(("a",))
    split = [*labels[:2], LabelledText("i", "t", Classes(("a", "b")), "cat")]
    assert consensus(split, multiple=True)["i"].label == Classes(("a", "b"))
    with pytest.raises(InputError, match="classes a, b"):
        consensus(split)


def test_entities_exact_overlapping_and_by_label() -> None:
    labels = [
        *said("ann", entities((0, 5, "PER"), (9, 12, "ORG"), (20, 22, "ORG")), entities()),
        *said("ben", entities((0, 5, "PER"), (8, 12, "ORG")), entities((3, 4, "PER"))),
    ]
    report = agreement_report(labels, "entities")
    assert report.overall["f1_exact"].value == pytest.approx(2 * 1 / 6)
    assert report.overall["f1_overlap"].value == pytest.approx(2 * 2 / 6)
    assert report.labels["ORG"]["f1_exact"].value == 0
    assert report.labels["ORG"]["f1_overlap"].value == pytest.approx(2 / 3)
    assert report.labels["ORG"]["f1_overlap"].items == 1
    assert report.labels["PER"]["f1_exact"].items == 2
    assert "f1_relations" not in report.overall


def test_relations_are_compared_by_what_they_connect() -> None:
    regions = [Region("p", 0, 3, "PER"), Region("o", 5, 9, "ORG")]
    other = [Region("x", 5, 9, "ORG"), Region("y", 0, 3, "PER")]
    labels = [
        *said("ann", Entities(tuple(regions), (Relation("p", "o", "works at"),))),
        *said("ben", Entities(tuple(other), (Relation("y", "x", "works at"), Relation("x", "y", "employs")))),
    ]
    assert agreement_report(labels, "entities").overall["f1_relations"].value == pytest.approx(2 / 3)


def test_coreference_by_links_clusters_and_mentions() -> None:
    labels = [*said("ann", chain("123", "45")), *said("ben", chain("12", "345"))]
    report = agreement_report(labels, "coreference")
    assert report.overall["muc_f1"].value == pytest.approx(2 * 2 / 6)
    assert report.overall["ceaf_e_f1"].value == pytest.approx(2 * (4 / 5 + 4 / 5) / 4)
    assert report.overall["mention_f1"].value == 1


def test_tags_on_the_tokens_that_both_have() -> None:
    longer = Tags((*tags("DET", "NOUN").regions, Region("t9", 30, 33, "VERB")))
    report = agreement_report([*said("ann", tags("DET", "NOUN")), *said("ben", longer)], "pos")
    assert report.overall["agreement"].value == 1
    assert report.overall["token_boundaries_f1"].value == pytest.approx(4 / 5)
    assert report.overall["agreement"].items == 1


def test_answers_evidence_and_ratings() -> None:
    labels = [
        *said("ann", answer("every 4,000 hours", 5, (0, 10)), answer(REFUSAL), answer("yes", 4)),
        *said("ben", answer("every 4,000 operating hours", 3, (5, 15)), answer("twice"), answer("yes", 4)),
    ]
    report = agreement_report(labels, "prompt-response")
    assert report.overall["token_f1"].value == pytest.approx((2 * 4 / 9 + 0 + 1) / 3)
    assert report.overall["rouge_l"].value == pytest.approx((2 * 4 / 9 + 0 + 1) / 3)
    assert report.overall["evidence_f1"].value == pytest.approx(2 * 5 / 20)
    assert report.overall["rating_alpha"].items == 2
    assert report.overall["answerable_alpha"].value == pytest.approx(0)


def test_over_time_an_item_counts_when_its_last_label_was_made() -> None:
    labels = [
        *said("ann", *classes("ab"), at="2026-01-30T10:00:00Z"),
        *said("ben", *classes("a."), at="2026-01-31T23:30:00-02:00"),
        *said("ben", *classes(".a"), at="2026-01-31T10:00:00"),
        LabelledText("late", "t", Classes(("a",)), "ann", ""),
        LabelledText("late", "t", Classes(("a",)), "ben", "yesterday"),
    ]
    by_month = agreement_report(labels, "classification", period="month").periods
    assert {name: own["agreement"].value for name, own in by_month.items()} == {"2026-01": 0, "2026-02": 1, "undated": 1}
    assert list(agreement_report(labels, "classification").periods) == ["2026-W05", "undated"]


def test_annotators_against_gold_items() -> None:
    labels = [*said("ann", *classes("abca")), *said("ben", *classes("aaaa"))]
    gold = {f"item-{number}": Classes((letter,)) for number, letter in enumerate("abc")}
    report = agreement_report(labels, "classification", gold=gold)
    assert report.gold["ann"]["agreement"].value == 1
    assert report.gold["ben"]["agreement"].value == pytest.approx(1 / 3)
    assert report.gold["ben"]["agreement"].items == 3


def test_the_newest_label_counts_and_nameless_ones_are_different_people() -> None:
    labels = [
        LabelledText("i", "t", Classes(("new",)), "ann", "2026-01-02T00:00:00Z"),
        LabelledText("i", "t", Classes(("old",)), "ann", "2026-01-01T00:00:00Z"),
        LabelledText("i", "t", Classes(("new",)), "", ""),
        LabelledText("i", "t", Classes(("other",)), "", ""),
    ]
    report = agreement_report(labels, "classification")
    assert report.annotators == {"ann": 1, "unknown": 1, "unknown 2": 1}
    assert report.pairs["ann", "unknown"]["agreement"].value == 1


@pytest.mark.parametrize("type", ["prompt-response", "classification", "sentiment", "entities", "coreference", "pos"])
def test_nothing_to_compare_is_said_and_no_crash(type: str) -> None:
    label = {
        "prompt-response": answer("yes"),
        "entities": entities(),
        "coreference": chain("12"),
        "pos": tags("DET"),
    }.get(type, Classes(("positive",)))
    alone = agreement_report(said("ann", label, label), type, gold={"item-0": label})
    assert (alone.items, alone.shared) == (2, 0)
    assert all(math.isnan(found.value) and found.items == 0 for found in alone.overall.values())
    assert "no item was labelled by two annotators" in alone.overall[alone.primary].reason
    same = agreement_report([*said("ann", label, label), *said("ben", label, label)], type)
    assert not same.overall[same.primary].value < 1
    empty = agreement_report([], type)
    assert empty.items == 0
    for report in (alone, same, empty):
        json.dumps(report.as_json(), allow_nan=False)


def test_labels_of_another_type_are_refused() -> None:
    with pytest.raises(InputError, match="item-0: the label of ann is Classes, expected Entities"):
        agreement_report(said("ann", Classes(("a",))), "entities")
    with pytest.raises(NotFoundError, match="known ones are prompt-response"):
        agreement_report([], "poetry")


def test_thousands_of_items_take_seconds() -> None:
    rng = random.Random(3)
    labels = [
        LabelledText(f"i{number}", "t", Classes((f"c{rng.randrange(50)}",)), name, "2026-02-03")
        for number in range(3000)
        for name in ("ann", "ben", "cat")
    ]
    report = agreement_report(labels, "classification")
    assert report.overall["alpha"].value == pytest.approx(0, abs=0.01)
    assert report.overall["alpha"].low < 0 < report.overall["alpha"].high


def _mood(digit: str) -> Classes:
    return Classes((("negative", "neutral", "positive")[int(digit)],))
