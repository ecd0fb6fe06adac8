"""Whom to trust, what the annotators hold together, and what goes to an expert."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.annotation.quality.aggregation import aggregate, consensus, weigh
from doyen.annotation.quality.agreement import agreement_report
from doyen.annotation.quality.annotator_models import fit
from doyen.annotation.quality.disputes import disputed
from doyen.annotation.quality.labelled_items import gather
from doyen.annotation.type_table import TASK_TYPES, difference
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
from doyen.core.errors import InputError

CROWD = {"zoe": 0.95, "max": 0.85, "ann": 0.55}
"""Not in alphabetical order, since models must not care."""


def crowd_answers(items: int, names: str, seed: int = 0) -> tuple[list[LabelledText], dict[str, str]]:
    """Return labels of three annotators of known reliability, and the truth."""
    rng = random.Random(seed)
    truth = {f"i{number}": rng.choice(names) for number in range(items)}
    labels = [
        LabelledText(item, "t", Classes((right if rng.random() < skill else rng.choice(names.replace(right, "")),)), name)
        for item, right in truth.items()
        for name, skill in CROWD.items()
    ]
    return labels, truth


def of_item(*labels: Label, item: str = "i") -> list[LabelledText]:
    return [LabelledText(item, "text", label, f"annotator {number}") for number, label in enumerate(labels, start=1)]


def entities(*found: tuple[int, int, str]) -> Entities:
    return Entities(tuple(Region(f"x{n}", *mark) for n, mark in enumerate(found)))


def marks(label: Label) -> set[tuple[int, int, str]]:
    assert isinstance(label, Entities)
    return {(region.start, region.end, region.label) for region in label.regions}


@pytest.mark.parametrize(
    ("model", "names"), [("dawid-skene", "abc"), ("dawid-skene", "abcdefghijklmnopqrstuvwxyz"), ("mace", "abc")]
)
def test_models_find_out_who_is_reliable(model: str, names: str) -> None:
    labels, truth = crowd_answers(120, names)
    found = aggregate(gather(labels), model=model).reliability
    assert {own.method for own in found.values()} == {model}
    assert found["ann"].value < found["max"].value - 0.1
    assert found["zoe"].value > 0.85
    agreed = consensus(labels, model=model)
    right = sum(agreed[item].label == Classes((name,)) for item, name in truth.items())
    assert right / len(truth) > 0.88, "better than all annotators but the best"
    assert {own.method for own in agreed.values()} == {model}


@pytest.mark.parametrize(("classes", "items"), [(3, 40), (30, 100)])
def test_three_equals_are_decided_by_majority(classes: int, items: int) -> None:
    """A model of annotators who err equally often fits chance, and is right less often than two of three."""
    names = [f"c{number:02d}" for number in range(classes)]
    for seed in range(3):
        rng = random.Random(seed)
        truth = {f"i{number}": rng.choice(names) for number in range(items)}
        labels = [
            LabelledText(
                item, "t", Classes((right if rng.random() < 0.88 else rng.choice([n for n in names if n != right]),)), name
            )
            for item, right in truth.items()
            for name in ("ann", "ben", "cat")
        ]
        agreed = consensus(labels)
        assert {own.method for own in agreed.values()} == {"majority"}
        for item in truth:
            said = Counter(entry.label for entry in labels if entry.item_id == item)
            [(most, times)] = said.most_common(1)
            assert times == 1 or agreed[item].label == most


@pytest.mark.parametrize("model", ["dawid-skene", "mace"])
def test_models_do_not_care_what_annotators_and_labels_are_called(model: str) -> None:
    labels, _ = crowd_answers(60, "abc", seed=5)
    votes: dict[str, dict[str, str]] = {}
    for entry in labels:
        assert isinstance(entry.label, Classes)
        votes.setdefault(entry.item_id, {})[entry.annotator] = entry.label.labels[0]
    swap, rename = {"a": "c", "b": "a", "c": "b"}, {"zoe": "1", "max": "2", "ann": "0"}
    renamed = {item: {rename[name]: swap[answer] for name, answer in own.items()} for item, own in votes.items()}
    ours, theirs = fit(votes, model), fit(renamed, model)
    for name, other in rename.items():
        assert ours.reliability[name] == pytest.approx(theirs.reliability[other], abs=0.05)
    same = sum(swap[ours.verdicts[item][0]] == theirs.verdicts[item][0] for item in votes)
    assert same >= 57


def test_two_annotators_are_held_equally_reliable() -> None:
    labels = [
        entry
        for number in range(20)
        for entry in of_item(Classes(("a",)), Classes(("a" if number else "b",)), item=str(number))
    ]
    found = aggregate(gather(labels)).reliability
    assert found["annotator 1"] == found["annotator 2"]
    assert found["annotator 1"].value == pytest.approx(math.sqrt(19 / 20))
    assert found["annotator 1"].method == "agreement"
    agreed = consensus(labels)["0"]
    assert agreed.method == "majority"
    assert agreed.confidence == pytest.approx(0.5, abs=0.01)


def test_known_reliability_decides_between_two() -> None:
    labels = of_item(Classes(("a",)), Classes(("b",)))
    found = consensus(labels, reliability={"annotator 1": 0.6, "annotator 2": 0.9})["i"]
    assert found.label == Classes(("b",))
    assert found.confidence == pytest.approx(0.9 * 0.4 / (0.9 * 0.4 + 0.6 * 0.1))


@given(st.dictionaries(st.sampled_from("vwxyz"), st.sampled_from("abc"), min_size=1), st.floats(0.5, 1))
@settings(max_examples=60, deadline=None)
def test_equally_reliable_votes_are_a_majority(answers: dict[str, str], trust: float) -> None:
    chosen, chance = weigh(answers, dict.fromkeys(answers, trust), 3)
    votes = list(answers.values())
    assert votes.count(chosen) == max(votes.count(answer) for answer in votes)
    assert 1 / 3 - 1e-9 <= chance <= 1


def test_spans_win_one_by_one() -> None:
    most, other = entities((0, 5, "PER"), (9, 12, "ORG")), entities((0, 5, "PER"), (8, 12, "ORG"))
    labels = of_item(most, other, most)
    found = consensus(labels)["i"]
    assert marks(found.label) == {(0, 5, "PER"), (9, 12, "ORG")}
    assert 0.5 < found.confidence < 1
    two = consensus(of_item(entities((0, 5, "PER"), (9, 12, "ORG")), entities((0, 5, "PER"))))["i"]
    assert marks(two.label) == {(0, 5, "PER")}, "what only one of two equals marked is left out"
    nothing = consensus(of_item(entities(), entities()))["i"]
    assert nothing.label == Entities()
    assert nothing.confidence > 0.9


def test_relations_stay_where_their_ends_stay() -> None:
    full = Entities((Region("p", 0, 3, "PER"), Region("o", 5, 9, "ORG")), (Relation("p", "o", "works at"),))
    found = consensus(of_item(full, full, entities((0, 3, "PER"))))["i"].label
    assert isinstance(found, Entities)
    of = {region.id: region.label for region in found.regions}
    assert [(of[r.head], of[r.tail], r.label) for r in found.relations] == [("PER", "ORG", "works at")]


def test_mentions_are_linked_as_most_have_them() -> None:
    mentions = tuple(Region(f"m{n}", n, n + 1, "mention") for n in range(4))
    one = Coreference(mentions, (Relation("m1", "m0"), Relation("m2", "m1")))
    star = Coreference(mentions, (Relation("m1", "m0"), Relation("m2", "m0")))
    other = Coreference(mentions[:3], (Relation("m2", "m1"),))
    found = consensus(of_item(one, star, other))["i"].label
    assert isinstance(found, Coreference)
    assert sorted(map(len, found.clusters())) == [1, 3]


def test_tokens_are_tagged_one_by_one_and_never_overlap() -> None:
    def tokens(*found: tuple[int, int, str]) -> Tags:
        return Tags(tuple(Region(f"t{n}", *mark) for n, mark in enumerate(found)))

    labels = of_item(tokens((0, 2, "DET"), (3, 7, "NOUN")), tokens((0, 2, "DET"), (3, 7, "VERB")), tokens((0, 7, "X")))
    labels += of_item(tokens((0, 2, "DET"), (3, 7, "NOUN")), tokens((0, 2, "DET"), (3, 7, "NOUN")), item="j")
    found = consensus(labels)["i"].label
    assert isinstance(found, Tags)
    assert [(t.start, t.end) for t in found.regions] == [(0, 2), (3, 7)]


def test_of_free_texts_the_one_closest_to_all_others_is_taken() -> None:
    texts = ["every 4,000 operating hours", "every 4,000 hours", "after 4,000 hours", "never"]
    found = consensus(of_item(*(PromptResponse("q", text, True) for text in texts)))["i"]
    assert isinstance(found.label, PromptResponse)
    assert found.label.response == "every 4,000 hours"
    assert found.method == "closest"
    assert found.annotators == ("annotator 1", "annotator 2", "annotator 3", "annotator 4")


def test_disputes_are_ranked_by_what_there_is_to_settle() -> None:
    labels = [
        *of_item(entities((0, 2, "A")), entities((0, 2, "A")), item="same"),
        *of_item(entities((0, 2, "A")), entities((0, 2, "B")), item="one label"),
        *of_item(entities((0, 4, "A")), entities((0, 3, "A")), item="boundary"),
        *of_item(entities((0, 2, "A"), (3, 4, "A"), (5, 6, "B")), entities(), item="all missed"),
    ]
    found = disputed(labels)
    assert [dispute.item_id for dispute in found] == ["all missed", "one label", "boundary"]
    assert found[1].agreement == 0
    assert found[1].reason == "annotator 1 and annotator 2 agree to 0%: “A” or “B”."
    assert "where “A” begins and ends" in found[2].reason
    assert [entry.annotator for entry in found[0].labels] == ["annotator 1", "annotator 2"]
    assert [d.item_id for d in disputed(labels, share=0.25)] == ["all missed"]
    assert [d.item_id for d in disputed(labels, share=1.0)] == ["all missed", "one label", "boundary"]
    assert [d.item_id for d in disputed(labels, threshold=0.1)] == ["all missed", "one label"], "the boundary agrees to 37%"


def test_two_who_differ_are_ranked_by_how_rare_the_confusion_is() -> None:
    labels = [entry for n in range(8) for entry in of_item(Classes(("card",)), Classes(("transfer",)), item=f"usual {n}")]
    labels += of_item(Classes(("card",)), Classes(("refund",)), item="rare")
    labels += [entry for n in range(30) for entry in of_item(Classes(("card",)), Classes(("card",)), item=f"same {n}")]
    found = disputed(labels)
    assert len(found) == 9
    assert found[0].item_id == "rare"


def test_labels_of_the_unreliable_alone_are_disputed() -> None:
    labels, _ = crowd_answers(40, "abc")
    alone = [LabelledText("only ann", "t", Classes(("a",)), "ann"), LabelledText("only zoe", "t", Classes(("a",)), "zoe")]
    known = {"ann": 0.5, "zoe": 0.95, "max": 0.9}
    found = {dispute.item_id: dispute for dispute in disputed([*labels, *alone], reliability=known)}
    assert "only zoe" not in found
    assert math.isnan(found["only ann"].agreement)
    assert found["only ann"].reason == "Only ann labelled this, whose labels are right with probability 0.50."


def test_what_cannot_be_asked_for_is_refused() -> None:
    with pytest.raises(InputError, match="share is 15"):
        disputed([], share=15)
    with pytest.raises(InputError, match="threshold is -1"):
        disputed([], threshold=-1)
    mixed = [LabelledText("i", "t", Classes(("a",)), "ann"), LabelledText("i", "t", Entities(), "ben")]
    for ask in (disputed, consensus, lambda labels: aggregate(gather(labels)).reliability):
        with pytest.raises(InputError, match="one task type at a time"):
            ask(mixed)
        assert not ask([])


marked = st.builds(
    lambda found: Entities(tuple(Region(f"r{n}", s, s + w, name) for n, (s, w, name) in enumerate(found))),
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4), st.sampled_from("AB")), max_size=4, unique=True),
)
tagged = st.lists(st.sampled_from("NVX"), max_size=5).map(
    lambda names: Tags(tuple(Region(f"t{n}", n, n + 1, name) for n, name in enumerate(names)))
)
classified = st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(lambda names: Classes(tuple(names)))


@st.composite
def resolved(draw: st.DrawFn) -> Coreference:
    mentions = tuple(Region(f"m{n}", n, n + 1, "mention") for n in sorted(draw(st.sets(st.integers(0, 5)))))
    ends = st.sampled_from([m.id for m in mentions]) if mentions else st.nothing()
    pairs = draw(st.lists(st.tuples(ends, ends), max_size=3)) if mentions else []
    return Coreference(mentions, tuple(Relation(a, b) for a, b in pairs if a != b))


answered = st.builds(
    lambda text, able, rating: PromptResponse("q", text, able, rating=rating),
    st.sampled_from(["every hour", "each hour", "never", ""]),
    st.booleans(),
    st.none() | st.integers(1, 5),
)
same_type_pairs = st.one_of(*(st.tuples(kind, kind) for kind in (marked, tagged, classified, resolved(), answered)))


@given(same_type_pairs)
@settings(max_examples=150, deadline=None)
def test_whatever_two_say_it_is_compared_decided_and_ranked(pair: tuple[Label, Label]) -> None:
    first, second = pair
    found, back = difference(first, second), difference(second, first)
    assert found.apart == pytest.approx(back.apart)
    assert found.confusions == back.confusions
    assert -1e-9 <= found.agreement <= 1
    assert difference(first, first).apart == pytest.approx(0)
    labels = of_item(first, second)
    agreed = consensus(labels, multiple=True)["i"]
    assert 0 <= agreed.confidence <= 1 + 1e-9
    alike = consensus(of_item(first, first), multiple=True)["i"].label
    assert difference(alike, first).apart == pytest.approx(0)
    assert all(dispute.score > 0 and dispute.reason for dispute in disputed(labels, share=1.0, multiple=True))


@given(same_type_pairs, same_type_pairs)
@settings(max_examples=60, deadline=None)
def test_reports_do_not_depend_on_who_is_who(one: tuple[Label, Label], two: tuple[Label, Label]) -> None:
    pairs = [pair for pair in (one, two) if type(pair[0]) is type(one[0])]
    kind = next(name for name, entry in TASK_TYPES.items() if entry.label is type(one[0]))
    forth = agreement_report([entry for n, p in enumerate(pairs) for entry in of_item(*p, item=str(n))], kind, multiple=True)
    back = agreement_report(
        [entry for n, p in enumerate(pairs) for entry in of_item(*p[::-1], item=str(n))], kind, multiple=True
    )
    for name, found in forth.overall.items():
        assert found.value == pytest.approx(back.overall[name].value, nan_ok=True)
    same = agreement_report(
        [entry for n, p in enumerate(pairs) for entry in of_item(p[0], p[0], item=str(n))], kind, multiple=True
    )
    assert all(math.isnan(found.value) or found.value == pytest.approx(1) for found in same.overall.values())


def test_free_texts_are_disputed_when_they_share_less_than_half_of_their_words() -> None:
    near = of_item(PromptResponse("q", "every 4,000 hours", True), PromptResponse("q", "after 4,000 hours", True), item="near")
    far = of_item(PromptResponse("q", "every 4,000 hours", True), PromptResponse("q", "once a year", True), item="far")
    assert [dispute.item_id for dispute in disputed([*near, *far])] == ["far"]
    assert [dispute.item_id for dispute in disputed([*near, *far], threshold=0.9)] == ["far", "near"]
