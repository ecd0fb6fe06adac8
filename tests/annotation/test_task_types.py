"""Labels of every type survive writing, reading and the instruction form; what comes back broken is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.task_labels import TASK_TYPES, labelled

from doyen.annotation.task_types import ModelDrafter, get_task_type
from doyen.annotation.tasks import task_data
from doyen.annotation.types.answer_lines import escape, find, quote, unescape
from doyen.annotation.types.descriptions import parse_description
from doyen.annotation.types.drafter import Excerpt
from doyen.annotation.types.typed_labels import (
    Classes,
    Coreference,
    Entities,
    Label,
    LabelError,
    PromptResponse,
    Region,
    Relation,
    Tags,
)
from doyen.core.errors import InputError, NotFoundError
from doyen.core.text import is_blank
from doyen.finetune.similarity import near_duplicate_pairs, request_words

KINDS = st.sampled_from(sorted(TASK_TYPES))
TEXT = "The pump PN 410-778 leaks. It is replaced every 4,000 hours; the pump is cleaned daily."
DESCRIBED = parse_description(
    {
        "type": "entities",
        "labels": [
            {"name": "PART", "examples": ["PN 100-200"]},
            {"name": "INTERVAL", "examples": ["300 hours", "daily"]},
        ],
        "relations": ["has interval"],
    },
    "here",
)
ENTITIES = get_task_type("entities", DESCRIBED)


def data_of(text: str, **changes: Any) -> dict[str, Any]:
    return task_data("u1", Excerpt(text, "manual.md", "doc", "v1", "chunk-1", start=7), "") | changes


def excerpt(text: str) -> Excerpt:
    return Excerpt(text, "manual.md", "doc", "v1", "chunk-1", start=0)


def browser_view(result: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a result as the editor would send it: line breaks written out, runs of blanks shortened."""
    sent = json.loads(json.dumps(result))
    for region in sent:
        value = region.get("value", {})
        if "start" in value:
            value["text"] = " ".join(value["text"].replace("\r", "\\n").replace("\n", "\\n").split(" "))
    return sent


@given(KINDS.flatmap(lambda kind: st.tuples(st.just(kind), labelled(kind))))
@settings(max_examples=80, deadline=None)
def test_a_label_survives_as_a_result(case: tuple[str, tuple[str, Label]]) -> None:
    kind, (text, label) = case
    task_type, data = TASK_TYPES[kind], data_of(text)
    result = task_type.write(label, data)
    assert task_type.problems(result, data) == []
    assert task_type.read(result, data) == label
    assert task_type.read(browser_view(result), data) == label
    # Relations may come before the regions that they link, and regions in any order.
    shuffled = task_type.read(result if kind == "prompt-response" else result[::-1], data)
    assert sorted(shuffled.stretches(), key=str) == sorted(label.stretches(), key=str)
    assert all(region["id"] for region in result if region["type"] != "relation")


def meaning(label: Label, text: str) -> object:
    """Return what a label says apart from ids, order of links, and how a cluster is linked up."""
    place = {region.id: (region.start, region.end, region.label) for region in label.stretches()}
    match label:
        case Entities():
            return sorted(place.values()), sorted((place[r.head], place[r.tail], r.label) for r in label.relations)
        case Coreference():
            return sorted(sorted(place[name] for name in cluster) for cluster in label.clusters())
        case Tags():
            return sorted(place.values())
        case _:
            return label


@given(KINDS.filter(lambda kind: kind != "prompt-response").flatmap(lambda kind: st.tuples(st.just(kind), labelled(kind))))
@settings(max_examples=80, deadline=None)
def test_the_instruction_form_reads_back_exactly(case: tuple[str, tuple[str, Label]]) -> None:
    kind, (text, label) = case
    task_type = TASK_TYPES[kind]
    pair = task_type.to_pair(label, data_of(text), pair_id="p1", annotator="ada", created_at="2026-01-02")
    parsed, problems = task_type.parse(pair.response.strip(), text)
    assert problems == []
    assert parsed is not None
    assert meaning(parsed, text) == meaning(label, text)
    assert pair.prompt == task_type.instruction(text)
    assert (pair.group, pair.source, pair.evidence) == ("u1", "manual.md", [] if is_blank(text) else [text])


@given(KINDS.flatmap(lambda kind: st.tuples(st.just(kind), labelled(kind))))
@settings(max_examples=30, deadline=None)
def test_plain_rows_are_json_and_keep_the_offsets(case: tuple[str, tuple[str, Label]]) -> None:
    kind, (text, label) = case
    row = TASK_TYPES[kind].row(label, data_of(text))
    assert json.loads(json.dumps(row)) == row
    for entity in row.get("entities", []):
        assert 0 <= entity["start"] < entity["end"] <= len(text)
    if "ner_tags" in row:
        assert len(row["ner_tags"]) == len(row["tokens"])
        assert all(
            tag[0] == "B" for before, tag in zip(["O", *row["ner_tags"]], row["ner_tags"], strict=False) if before == "O" != tag
        )


@given(st.text(max_size=20))
def test_escaped_words_are_one_line_and_come_back(words: str) -> None:
    escaped = escape(words)
    assert unescape(escaped) == words
    assert "\n" not in escaped
    assert " | " not in escaped
    assert escaped == escaped.strip()


def test_words_of_their_own_come_before_parts_of_words() -> None:
    text = "within it: @2 it @2"
    start = text.index("it:")
    assert quote(text, start, start + 2) == "it"
    assert quote(text, text.rindex("it"), text.rindex("it") + 2) == "it @2"
    assert find(text, "it @3") == (1, 3), "the one inside a word comes last"
    assert quote(text, start, len(text)) == "it: @2 it @2 @1", "words that end like a number get one"
    assert find(text, "it @9") is None
    assert find(text, "") is None


# Reading what is wrong.


def mark(start: Any, end: Any, text: Any, label: Any = "PART", identity: Any = "x") -> dict[str, Any]:
    labels = [label] if isinstance(label, str) else label
    value = {"start": start, "end": end, "text": text, "labels": labels}
    return {"id": identity, "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def link(head: Any, tail: Any, labels: Any) -> dict[str, Any]:
    return {"type": "relation", "from_id": head, "to_id": tail, "direction": "right", "labels": labels}


GOOD = [mark(4, 8, "pump", identity="a"), mark(48, 59, "4,000 hours", "INTERVAL", identity="b")]


@pytest.mark.parametrize(
    ("region", "problem"),
    [
        (mark(0, 999, "x"), f"region 0 to 999 lies outside the text of {len(TEXT)} characters"),
        (mark(4, 4, ""), "lies outside"),
        (mark(True, "9", ""), "no whole-number offsets"),
        (mark(4, 8, "leak"), "says 'leak' but the text has 'pump' there"),
        (mark(4, 8, "pump", "COLOUR"), "there is no label 'COLOUR': known ones are PART, INTERVAL"),
        (mark(4, 8, "pump", ["PART", "INTERVAL"]), "must have one label"),
        (mark(4, 8, "pump", []), "must have one label"),
        (mark(4, 8, "pump", identity="a"), "two regions have the id 'a'"),
        (mark(4, 8, "pump", identity=""), "has no id"),
        ({"id": "y", "from_name": "label"}, "has no value"),
        ({"id": "y", "from_name": "class", "value": {}}, "there is no field 'class'"),
        (7, "is no JSON object"),
        (link("a", "gone", ["has interval"]), "leads to a region 'gone', which does not exist"),
        (link("a", "a", ["has interval"]), "from the region 'a' to itself"),
        (link("a", "b", []), "has no name: choose among has interval"),
        (link("a", "b", ["causes"]), "there is no relation 'causes': known ones are has interval"),
    ],
)
def test_each_broken_region_is_named(region: Any, problem: str) -> None:
    with pytest.raises(LabelError) as caught:
        ENTITIES.read([*GOOD, region], data_of(TEXT))
    assert len(caught.value.problems) == 1
    assert problem in caught.value.problems[0]


def test_all_problems_come_at_once_and_offsets_in_utf16_are_understood() -> None:
    broken = [mark(0, 999, "x", identity="1"), mark(4, 8, "leak", identity="2"), link("a", "z", [])]
    assert len(ENTITIES.problems([*GOOD, *broken], data_of(TEXT))) == 3
    text = "😀 pump"
    label = ENTITIES.read([mark(3, 7, "pump")], data_of(text))
    assert label == Entities((Region("x", 2, 6, "PART"),))


def test_a_relation_has_a_direction() -> None:
    def read(direction: str) -> Label:
        return ENTITIES.read([*GOOD, {**link("a", "b", ["has interval"]), "direction": direction}], data_of(TEXT))

    there, back = Relation("a", "b", "has interval"), Relation("b", "a", "has interval")
    assert [read(way).relations for way in ("right", "left", "bi")] == [(there,), (back,), (there, back)]
    without = get_task_type("entities", DESCRIBED.model_copy(update={"relations": ()}))
    assert "this task has no relations" in without.problems([*GOOD, link("a", "b", [])], data_of(TEXT))[0]


def test_tokens_must_not_overlap() -> None:
    pos = get_task_type("pos")
    result = [mark(4, 8, "pump", "NOUN", "a"), mark(6, 12, TEXT[6:12], "NOUN", "b")]
    assert pos.problems(result, data_of(TEXT)) == [f"the tokens 'pump' and {TEXT[6:12]!r} overlap at 6"]


def choice(*classes: Any) -> dict[str, Any]:
    return {"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": list(classes)}}


def test_a_class_is_one_of_the_known_and_as_many_as_wanted() -> None:
    one, several, data = TASK_TYPES["classification"], TASK_TYPES["several classes"], data_of(TEXT)
    assert one.problems([], data) == ["no class was chosen"]
    assert one.problems([choice("O", "PART")], data) == ["one class is wanted, found PART, O"]
    assert several.read([choice("O", "PART")], data) == Classes(("PART", "O"))
    assert several.read([], data) == Classes(())
    assert "there is no class 'poem'" in one.problems([choice("poem")], data)[0]
    assert "holds no list" in one.problems([{"from_name": "class", "value": {}}], data)[0]
    assert "no field 'label'" in one.problems(GOOD[:1], data)[0]


def test_labels_of_another_type_are_refused() -> None:
    for name, task_type in TASK_TYPES.items():
        other = Tags() if task_type.name != "pos" else Classes(("x",))
        with pytest.raises(InputError, match=f"a {task_type.name} task takes labels of type"):
            task_type.write(other, data_of(TEXT))
        assert name
    with pytest.raises(NotFoundError, match="no task type 'poems'"):
        get_task_type("poems")
    with pytest.raises(InputError, match="is one of task type entities, not pos"):
        get_task_type("pos", DESCRIBED)


# The instruction form, to be read by people.


def test_what_a_label_becomes() -> None:
    text = TEXT
    regions = (Region("a", 9, 19, "PART"), Region("b", 48, 59, "INTERVAL"), Region("c", 65, 69, "PART"))
    label = Entities(regions, (Relation("a", "b", "has interval"),))
    pair = ENTITIES.to_pair(label, data_of(text), pair_id="p", annotator="", created_at="")
    assert pair.response == "1 PART: PN 410-778\n2 INTERVAL: 4,000 hours\n3 PART: pump @2\n1 -has interval-> 2"
    row = ENTITIES.row(label, data_of(text))
    assert row["tokens"][:5] == ["The", "pump", "PN", "410-778", "leaks"]
    assert row["ner_tags"][:5] == ["O", "O", "B-PART", "I-PART", "O"]
    coreference = get_task_type("coreference")
    mentions = tuple(Region(str(start), start, end, "mention") for start, end in ((0, 19), (27, 29), (61, 69)))
    label = Coreference(mentions, (Relation("27", "0"),))
    pair = coreference.to_pair(label, data_of(text), pair_id="p", annotator="", created_at="")
    assert pair.response == "The pump PN 410-778 | It\nthe pump"
    assert coreference.row(label, data_of(text))["clusters"] == [[[0, 3], [6, 6]], [[13, 14]]]
    pos = get_task_type("pos")
    label = Tags((Region("1", 0, 3, "DET"), Region("2", 4, 8, "NOUN"), Region("3", 61, 64, "DET")))
    pair = pos.to_pair(label, data_of(text), pair_id="p", annotator="", created_at="")
    assert pair.response == "DET: The\nNOUN: pump\nDET: the"
    assert pos.row(label, data_of(text))["upos"] == ["DET", "NOUN", "DET"]


def test_texts_of_one_task_are_no_near_duplicates_for_sharing_its_instruction() -> None:
    texts = ["My card was stolen yesterday", "The exchange fee is too high", "My card was stolen yesterday!"]
    task_type = get_task_type("pos")
    pairs = [
        task_type.to_pair(Tags(), data_of(text), pair_id=str(n), annotator="", created_at="") for n, text in enumerate(texts)
    ]
    asked = [request_words(pair) for pair in pairs]
    assert near_duplicate_pairs(asked[:1], asked[1:]) == [(0, 1)], "all in one group, they could not be split"


def test_of_a_models_answer_the_sound_part_is_taken() -> None:
    label, problems = ENTITIES.parse("1 PART: PN 410-778\nnonsense\n3 PART: valve\n1 -has interval-> 9", TEXT)
    assert label == Entities((Region("1", 9, 19, "PART"),))
    assert len(problems) == 3
    assert ENTITIES.parse("I do not know.", TEXT)[0] is None
    sentiment = get_task_type("sentiment")
    assert sentiment.parse(" Negative.\n", TEXT) == (Classes(("negative",)), [])
    assert sentiment.parse("angry", TEXT)[0] is None
    assert sentiment.parse("positive\nnegative", TEXT)[0] is None
    questions = get_task_type("prompt-response")
    label, problems = questions.parse('Question: How often?\nAnswer: Every 4,000 hours.\nEvidence: "4,000 hours"', TEXT)
    assert isinstance(label, PromptResponse)
    assert (label.prompt, label.response, [s.text for s in label.evidence]) == (
        "How often?",
        "Every 4,000 hours.",
        ["4,000 hours"],
    )
    assert questions.parse("Question: How often?", TEXT) == (None, ["the answer has no line 'Answer: …'"])


# Drafts.


@pytest.mark.parametrize("kind", sorted(TASK_TYPES))
@given(text=st.text(max_size=60))
@settings(max_examples=10, deadline=None)
def test_rules_propose_valid_labels_on_any_text(kind: str, text: str) -> None:
    task_type, data = TASK_TYPES[kind], data_of(text)
    draft = task_type.draft(excerpt(text))
    if draft is not None and draft.label is not None:
        assert 0 <= draft.score <= 1
        prediction = task_type.prediction(draft.label, draft.score, data, "rules-1")
        assert task_type.problems(prediction["result"], data) == []


def test_the_rules_know_something() -> None:
    drafts = {name: get_task_type(name).draft(excerpt(TEXT)).label for name in ("sentiment", "coreference", "pos")}
    assert drafts["sentiment"] == Classes(("negative",)), "it leaks"
    words = {name: [TEXT[r.start : r.end] for r in label.stretches()] for name, label in drafts.items()}
    assert words["coreference"] == ["The pump PN 410-778 leaks", "It"], "rules are only as clever as their tagger"
    assert words["pos"][:6] == ["The", "pump", "PN", "410-778", "leaks", "."]
    assert [r.label for r in drafts["pos"].stretches()][:3] == ["DET", "NOUN", "PROPN"]
    found = ENTITIES.draft(excerpt(TEXT))
    assert {(TEXT[r.start : r.end], r.label) for r in found.label.regions} == {
        ("PN 410-778", "PART"),
        ("4,000 hours", "INTERVAL"),
        ("daily", "INTERVAL"),
    }, "the shape of PN 100-200, the shape of 300 hours, and an example itself"
    desk = parse_description(
        {
            "type": "classification",
            "labels": [{"name": "billing", "examples": ["wrong invoice"]}, {"name": "repair", "meaning": "a device is broken"}],
        },
        "here",
    )
    rules = get_task_type("classification", desk)
    assert rules.draft(excerpt("I got a wrong invoice again")).label == Classes(("billing",))
    assert rules.draft(excerpt("Two broken devices")).label == Classes(("repair",))
    assert rules.draft(excerpt("Hello")).label is None, "nothing is proposed, and the task is made all the same"
    assert rules.draft(excerpt(" \n")) is None


def test_negation_turns_a_feeling_round() -> None:
    sentiment = get_task_type("sentiment")
    texts = {
        "It works great.": "positive",
        "It is not good at all.": "negative",
        "It isn't bad.": "positive",
        "A pump.": "neutral",
    }
    assert {text: sentiment.draft(excerpt(text)).label.labels[0] for text in texts} == texts


def test_a_model_drafts_through_the_instruction_form() -> None:
    asked = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "1 PART: PN 410-778\n2 PART: the moon"

    drafter = ModelDrafter(ENTITIES, ask, version="tiny", score=lambda prompt, answer: 0.25)
    draft = drafter.draft(excerpt(TEXT))
    assert (drafter.version, draft.score, draft.label) == ("tiny", 0.25, Entities((Region("1", 9, 19, "PART"),)))
    assert asked == [ENTITIES.instruction(TEXT)]
    assert ModelDrafter(ENTITIES, lambda prompt: "?", version="tiny").draft(excerpt(TEXT)).label is None
    assert drafter.draft(excerpt(" ")) is None


# Screens.


@pytest.mark.parametrize("kind", sorted(TASK_TYPES))
def test_every_screen_is_one_that_label_studio_takes(kind: str) -> None:
    from label_studio_sdk.label_interface import LabelInterface

    task_type = TASK_TYPES[kind]
    interface = LabelInterface(task_type.config)
    interface.validate()
    text = TEXT * 2
    draft = task_type.draft(excerpt(text))
    if draft is not None and draft.label is not None:
        prediction = task_type.prediction(draft.label, draft.score, data_of(text), "v1")
        assert interface.validate_prediction(prediction, return_errors=True) == []
    shown = {value for tag in interface.controls if tag.tag in {"Labels", "Choices"} for value in tag.labels}
    assert set(task_type.description.label_names) <= shown


def test_the_screen_shows_the_guideline_as_it_is_written() -> None:
    raw = {
        "type": "classification",
        "title": "Fees & <fines>",
        "guideline": 'First line.\nA fine of $50 is a "fine".',
        "labels": [{"name": "fine", "meaning": "costs > $20", "hotkey": "f", "color": "#ff0000", "examples": ["$30"]}],
    }
    config = get_task_type("classification", parse_description(raw, "here")).config
    for shown in (
        "Fees &amp; &lt;fines&gt;",
        "First line.",
        "A fine of $\u206050 is a &quot;fine&quot;.",
        'hotkey="f"',
        "#ff0000",
    ):
        assert shown in config
    assert "$50" not in config, "Label Studio would read it as a variable"
