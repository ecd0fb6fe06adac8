from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.core.errors import InputError, NotFoundError, StateError
from doyen.core.records import REFUSAL, Pair, Question
from doyen.core.store.schema import DatasetRow
from doyen.finetune import leakage
from doyen.finetune.dataset import Dataset, build_dataset, check_leakage, load_dataset
from doyen.finetune.leakage import LeakKind, find_leaks
from doyen.finetune.similarity import near_duplicate_pairs, near_duplicates, request_words, same_answer
from doyen.finetune.split import Split, split_pairs

word = st.sampled_from(
    ["pump", "filter", "valve", "torque", "12", "13", "lid", "screw", "oil", "change", "often", "many", "hours"]
)
phrase = st.lists(word, min_size=1, max_size=6).map(" ".join)


def pair(name: str, prompt: str, response: str = "Yes.", **fields) -> Pair:
    return Pair(id=name, prompt=prompt, response=response, **fields)


@st.composite
def many_pairs(draw):
    count = draw(st.integers(1, 40))
    sources = st.sampled_from([None, "a", "b", "c", "d", "e", "f"])
    groups = st.sampled_from([None, None, "g1", "g2", "g3"])
    response = st.sampled_from(["Yes.", REFUSAL])
    return [
        pair(str(number), draw(phrase), draw(response), source=draw(sources), group=draw(groups)) for number in range(count)
    ]


@settings(max_examples=60)
@given(many_pairs(), st.integers(0, 5))
def test_no_split_leaks_and_none_loses_a_pair(pairs, seed):
    near_groups = {"a": "twins", "b": "twins"}
    split = split_pairs(pairs, near_groups, seed)
    assert find_leaks(split, near_groups) == []
    assert {item.id for item in split.train + split.validation} == {item.id for item in pairs}
    assert len(split.train) + len(split.validation) == len(pairs)
    assert split == split_pairs(pairs, near_groups, seed)


@pytest.mark.parametrize(
    "leak",
    [
        pair("v", "something else", source="b"),
        pair("v", "something else", group="g"),
        pair("v", "how OFTEN is the pump filter changed?"),
    ],
)
def test_the_check_finds_planted_leaks(leak):
    train = [pair("t", "How often is the pump filter changed?", source="a", group="g")]
    assert len(find_leaks(Split(train, [leak]), {"a": "twins", "b": "twins"})) == 1


def test_the_check_shares_no_code_with_the_splitter():
    """What both would use, a fault of which would make a leak and hide it: but for the type that both speak of."""
    used = set()
    for path in Path(leakage.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("doyen.finetune"):
                used |= {(node.module, name.name) for name in node.names}
    assert {found for found in used if not found[0].startswith("doyen.finetune.leakage")} == {("doyen.finetune.split", "Split")}


def test_long_prompts_that_differ_in_a_word_are_one_and_in_a_figure_are_not():
    text = " ".join(f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyzäöüßéèàâîôûçñøå") + " {} {}"
    train = [pair("t", text.format("often", "12"))]
    assert find_leaks(Split(train, [pair("v", text.format("seldom", "12"))]), {})
    assert not find_leaks(Split(train, [pair("v", text.format("often", "13"))]), {})


def test_frozen_questions_that_are_asked_in_training_are_found():
    train = [pair("t", "How often is the pump filter changed?")]
    frozen = [Question(id="q", question="How often IS the pump filter changed", answers=["x"])]
    for split in (Split(train, []), Split([], train), Split([], [], train)):
        [leak] = find_leaks(split, {}, frozen)
        assert (leak.kind, leak.ids) == (LeakKind.NORMALISED, ("t", "q"))
        assert "the frozen question 'q'" in str(leak)


def test_a_leaking_split_stops_the_build(workspace, store, monkeypatch):
    """A splitter with a fault: it deals the pairs of one labelling group to both sides."""
    monkeypatch.setattr("doyen.finetune.dataset.build.split_pairs", lambda pairs, *_: Split(list(pairs[1:]), list(pairs[:1])))
    pairs = [pair(str(number), f"What does notice {number} say?", REFUSAL, group="g") for number in range(4)]
    with pytest.raises(StateError, match=r"(?s)leaks.*shares its group 'g'"):
        build_dataset(workspace, store, pairs, name="faulty")
    assert not list(workspace.datasets_folder.glob("faulty*/manifest.json"))


@settings(max_examples=60)
@given(st.lists(phrase, max_size=15), st.lists(phrase, max_size=15))
def test_the_near_duplicate_search_is_exact(left, right):
    a, b = [frozenset(text.split()) for text in left], [frozenset(text.split()) for text in right]
    brute = [(i, j) for i in range(len(a)) for j in range(len(b)) if near_duplicates(a[i], b[j])]
    assert near_duplicate_pairs(a, b) == brute


def test_other_numbers_make_another_question():
    def words(text):
        return request_words(pair("x", text))

    assert near_duplicates(words("How often is the P20 filter changed?"), words("how often is the filter of the P20 changed"))
    assert not near_duplicates(words("How often is the P20 filter changed?"), words("How often is the P22 filter changed?"))


def test_answers_agree_when_their_numbers_do():
    assert same_answer("Above 20 megaohms when cold.", "Above 20 megaohms.")
    assert same_answer("Isobutylene, 100 ppm, after zeroing.", "100 ppm isobutylene.")
    assert not same_answer("Every 7,500 hours.", "Every 9,000 hours.")
    assert not same_answer("2.7 Nm.", REFUSAL)


def build(workspace, store, pairs, **options) -> Dataset:
    return build_dataset(workspace, store, pairs, name="service", **options)


def test_the_same_inputs_give_the_same_dataset_once(workspace, store, domain):
    first = build(workspace, store, domain, seed=1)
    before = (first.folder / "train.jsonl").stat().st_mtime_ns
    again = build(workspace, store, domain, seed=1)
    assert again == first == load_dataset(workspace, first.dataset_id)
    assert (first.folder / "train.jsonl").stat().st_mtime_ns == before
    assert build(workspace, store, domain, seed=2).dataset_id != first.dataset_id
    with store.session() as session:
        assert session.query(DatasetRow).count() == 2


def test_a_dataset_has_both_parts_and_no_leak(workspace, store, domain):
    dataset = build(workspace, store, domain)
    assert dataset.validation
    assert any(item.answerable for item in dataset.validation)
    assert check_leakage(dataset, []) == []
    assert dataset.manifest["counts"]["train"] + dataset.manifest["counts"]["validation"] == len(domain)


def test_frozen_questions_are_kept_out(workspace, store, domain):
    question = Question(id="q", question="how often do I change the filter on an Arrel?", answers=["x"])
    dataset = build(workspace, store, domain, frozen=[question])
    assert dataset.manifest["counts"]["dropped"] == {"frozen": 1}
    assert dataset.manifest["dropped"][0]["id"] == "Arrel-0"
    assert check_leakage(dataset, [question]) == []
    other = Question(id="r", question="Which torque for Bontes lid screws?", answers=["x"])
    assert len(check_leakage(dataset, [other])) == 1


def test_disagreements_repeats_and_broken_evidence_are_reported(workspace, store, domain):
    first = domain[0]
    extra = [
        first.model_copy(update={"id": "same", "annotator": "b"}),
        first.model_copy(update={"id": "wrong", "response": "Every 9 hours.", "annotator": "c"}),
        first.model_copy(update={"id": "unquoted", "prompt": "Else?", "evidence": ["never written"]}),
        first.model_copy(update={"id": "lost", "prompt": "Other?", "source": "gone.md"}),
    ]
    dataset = build(workspace, store, [*domain, *extra])
    reasons = {entry["id"]: entry["step"] for entry in dataset.manifest["dropped"]}
    assert reasons == {"same": "repeat", "wrong": "disagreement", "unquoted": "evidence", "lost": "evidence"}
    assert dataset.manifest["disagreements"][0]["kept"] == [first.id]


def test_the_majority_wins_a_disagreement(workspace, store, domain):
    first = domain[0]
    votes = [
        first.model_copy(update={"id": f"vote-{number}", "response": f"Every 9 hours{dots}", "annotator": dots})
        for number, dots in enumerate([".", ", at the latest."])
    ]
    dataset = build(workspace, store, [*domain, *votes])
    assert dataset.manifest["disagreements"][0]["kept"] == ["vote-0", "vote-1"]
    assert dataset.manifest["disagreements"][0]["rule"] == "majority"


def test_evidence_may_differ_in_white_space_and_case(workspace, store, domain):
    loose = domain[0].model_copy(update={"evidence": ["Every  100\nHOURS"]})
    assert "evidence" not in build(workspace, store, [loose, *domain[1:]]).manifest["counts"]["dropped"]


def test_without_a_usable_pair_nothing_is_written(workspace, store, domain):
    with pytest.raises(InputError, match=r"none of the 1 pairs can be used.*gone\.md"):
        build(workspace, store, [pair("x", "Why?", source="gone.md", evidence=["q"])])
    with pytest.raises(InputError, match="no labelled pairs"):
        build(workspace, store, [])
    assert not list(workspace.datasets_folder.glob("*"))


def test_an_unknown_dataset_is_named_with_the_known_ones(workspace, store, domain):
    dataset = build(workspace, store, domain)
    with pytest.raises(NotFoundError, match=dataset.dataset_id):
        load_dataset(workspace, "nothing")
    manifest = json.loads((dataset.folder / "manifest.json").read_text())
    assert manifest["inputs"]["name"] == "service"
