"""What shapes a dataset beside the split: frozen questions, rules, filters, missing values, and the leak check."""

from __future__ import annotations

import json

import pytest

from doyen.core.errors import InputError, StateError
from doyen.core.frozen_questions import frozen_questions, question_sets, register_questions
from doyen.core.records import REFUSAL, TEXT_MARK, Pair, Question
from doyen.core.settings import DatasetSettings
from doyen.finetune.dataset import build_dataset, check_dataset, excluded_questions, load_dataset
from doyen.finetune.dataset.advice import CurvePoint, curve_advice, size_advice
from doyen.finetune.dataset.build import PackagedEncoder
from doyen.finetune.dataset.difference import compare_datasets
from doyen.finetune.leakage import LeakKind, check_leaks
from doyen.finetune.registry import READER, Registry
from doyen.finetune.split import Split, split_pairs
from doyen.finetune.supervision.learning_curve import Point
from doyen.finetune.supervision.rounds import Round, add_round
from doyen.ingestion.removal import Named
from doyen.platform.datasets import Datasets
from doyen.platform.purge import purge

SUBJECTS = ["pump", "valve", "motor", "fan", "belt", "gauge", "nozzle", "boiler", "rotor", "hatch", "lamp", "sieve"]


def pair(name: str, prompt: str, response: str = REFUSAL, **fields) -> Pair:
    return Pair(id=name, prompt=prompt, response=response, **fields)


@pytest.fixture
def pairs():
    return [
        pair(subject, f"Where is the {subject} kept during the winter break?", f"In hall {number}, under a cover.")
        for number, subject in enumerate(SUBJECTS)
    ]


def build(workspace, store, pairs, name="rules", given=None, **rules):
    return build_dataset(workspace, store, pairs, name=name, recipe=DatasetSettings(**rules), given=given)


def test_the_id_of_a_dataset_by_default_rules_stays_what_it_was(workspace, store, pairs):
    assert build_dataset(workspace, store, pairs, name="rules", seed=17).dataset_id == "rules-70efd082a3ec"
    assert build(workspace, store, pairs, validation_share=0.3).dataset_id != "rules-70efd082a3ec"


def test_registered_questions_are_kept_out_of_every_dataset(workspace, store, pairs):
    question = Question(id="q", question="where is the PUMP kept during the winter break", answers=["In hall 0."])
    first = register_questions(workspace, [question], "acceptance")
    assert register_questions(workspace, [question], "acceptance") == first
    assert [each.name for each in question_sets(workspace)] == ["acceptance"]
    assert frozen_questions(workspace, [question]) == [question]
    made = build(workspace, store, pairs)
    assert [entry["id"] for entry in made.manifest["dropped"] if entry["step"] == "frozen"] == ["pump"]
    assert excluded_questions(workspace, made.dataset_id) == {question.asked_hash}
    late = Question(id="r", question="Where is the valve kept during the winter break?", answers=["In hall 1."])
    register_questions(workspace, [late], "late")
    [leak] = check_dataset(workspace, made).leaks
    assert leak.kind is LeakKind.EXACT


ORIGINAL = pair(
    "t", "How long may the Corvane 410 run without its filter?", "For 35 minutes at most.", source="a.md", group="g"
)
PLANTED = {
    LeakKind.GROUP: pair("v", "Who repairs it?", group="g"),
    LeakKind.EXACT: pair("v", ORIGINAL.prompt),
    LeakKind.NORMALISED: pair("v", "how long may the corvane 410 run without its filter"),
    LeakKind.NEAR: pair("v", "How long may the Corvane 410 run on without its filter?", "35 minutes at most."),
    LeakKind.MEANING: pair(
        "v", "What is the longest time that the Corvane 410 may run when it has no filter?", "At most 35 minutes."
    ),
}


@pytest.mark.model
@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_leak_of_each_kind_raises_and_is_shown(workspace, store, pairs, kind, part):
    planted = [*pairs, ORIGINAL.model_copy(update={"source": None}), PLANTED[kind]]
    with pytest.raises(InputError, match=rf"(?s)leaks \(1 {kind}\).*'v'.*'t'") as refused:
        build(workspace, store, planted, given={"v": part})
    assert PLANTED[kind].prompt[:30] in str(refused.value) or kind is LeakKind.GROUP
    assert not list(workspace.datasets_folder.glob("*"))


def test_a_planted_document_leak_raises(workspace, store, domain):
    with pytest.raises(InputError, match=r"leaks \(2 document\)"):
        build(workspace, store, domain, given={"Arrel-0": "validation", "Bontes-1": "validation"})


@pytest.mark.model
def test_frozen_questions_in_other_words_are_refused_or_left_out(workspace, store, pairs):
    register_questions(workspace, [Question(id="q", question=PLANTED[LeakKind.MEANING].prompt, answers=["35 minutes."])], "f")
    asked = [*pairs, ORIGINAL.model_copy(update={"source": None})]
    with pytest.raises(InputError, match=r"(?s)1 meaning.*'t' asks in other words.*--paraphrases resolve"):
        build(workspace, store, asked)
    made = build(workspace, store, asked, paraphrases="resolve")
    assert [entry["id"] for entry in made.manifest["dropped"]] == ["t"]


@pytest.mark.model
def test_other_numbers_names_or_answers_are_no_leak():
    train = [ORIGINAL]
    for prompt, response in [
        ("How long may the Corvane 415 run without its filter?", "For 35 minutes at most."),
        ("How long may the Pellam 410 run without its filter?", "For 35 minutes at most."),
        ("How long may the Corvane 410 run on without its filter?", "For 90 minutes at most."),
        ("How long may the Corvane 410 run without its fuse?", "For 35 minutes at most."),
    ]:
        assert check_leaks(Split(train, [pair("v", prompt, response)]), {}, encoder=PackagedEncoder("float32")).leaks == []


def test_a_changed_file_is_noticed(workspace, store, pairs):
    made = build(workspace, store, pairs)
    path = made.folder / "train.jsonl"
    path.write_text(path.read_text().replace("hall 3", "hall 4"))
    with pytest.raises(StateError, match="is not what was built"):
        load_dataset(workspace, made.dataset_id)


def test_a_split_by_time_holds_the_newest_out(workspace, store, pairs):
    dated = [item.model_copy(update={"created_at": f"2026-01-{day:02}"}) for day, item in enumerate(pairs, 1)]
    made = build(workspace, store, dated[::-1], split="time", test_share=0.2, validation_share=0.2)
    assert (len(made.test), len(made.validation)) == (3, 3)
    newest = [[item.created_at for item in part] for part in (made.train, made.validation, made.test)]
    assert max(newest[0]) < min(newest[1]) <= max(newest[1]) < min(newest[2])
    undated = [*dated, pair("old", "What was before?")]
    assert "old" in {item.id for item in build(workspace, store, undated, split="time").train}
    with pytest.raises(InputError, match="1 pairs have no created_at, the first is 'old'"):
        build(workspace, store, undated, split="time", missing_date="fail")
    with pytest.raises(InputError, match="'x' has the date 'May'"):
        build(workspace, store, [*dated, pair("x", "When?", created_at="May")], split="time")


def test_a_stratified_split_gives_each_label_its_share():
    texts = [pair(f"{label}-{n}", f"{label} number{n} word{n * 7}", label) for label in "abc" for n in range(20)]
    rules = DatasetSettings(stratify="label", validation_share=0.1, test_share=0.2)
    split = split_pairs(texts, {}, 3, rules)
    assert [sum(item.response == label for item in split.test) for label in "abc"] == [4, 4, 4]
    assert [sum(item.response == label for item in split.validation) for label in "abc"] == [2, 2, 2]


def test_filters_leave_out_what_they_are_asked_to(workspace, store, pairs):
    odd = [
        pair("short", "Why?"),
        pair("long", "word " * 40),
        pair("german", "Wo wird die Pumpe in der Pause und nach der Ernte gelagert?"),
        pair("empty", "Dear team of the workshop,"),
        *(pair(f"mail{n}", f"Dear team of the workshop,\nplease send {name} soon") for n, name in enumerate(SUBJECTS[:6])),
    ]
    made = build(workspace, store, [*pairs, *odd], min_words=2, max_words=30, languages="en", boilerplate="strip")
    reasons = {entry["id"]: entry["step"] for entry in made.manifest["dropped"]}
    assert reasons == {"short": "length", "long": "length", "german": "language", "empty": "boilerplate"}
    assert "please send motor soon" in {item.prompt for item in (*made.train, *made.validation)}
    with pytest.raises(InputError, match=r"'xx' cannot be told; known: .*de.*en"):
        build(workspace, store, pairs, languages="xx")


def test_near_duplicates_with_the_same_answer_are_dropped_if_asked(workspace, store, pairs):
    again = pairs[0].model_copy(update={"id": "again", "prompt": "where is the pump kept during the winter break today"})
    made = build(workspace, store, [*pairs, again], near_duplicates="drop")
    assert made.manifest["counts"]["dropped"] == {"near-duplicate": 1}


def test_missing_values_are_filled_or_left_out_and_reported(workspace, store, domain):
    bare = domain[0].model_copy(update={"id": "bare", "evidence": [], "prompt": "Interval?", "response": "every 100 hours"})
    other = bare.model_copy(update={"id": "other", "prompt": "Colour?", "response": "red and blue"})
    unsourced = pair("unsourced", "Elsewhere?", "Yes, there.")
    made = build(workspace, store, [*domain, bare, other, unsourced], missing_evidence="response", missing_source="drop")
    assert {"field": "evidence", "rows": 2, "rule": "response"} in made.manifest["missing"]
    quoted = {item.id: item.evidence for item in (*made.train, *made.validation)}
    assert quoted["bare"] == ["every 100 hours"]
    assert quoted["other"] == []
    assert "unsourced" not in quoted
    assert "- 2 rows without evidence: response" in (made.folder / "card.md").read_text()


def test_classes_are_balanced_by_what_is_drawn(workspace, store):
    texts = [pair(f"{label}{n}", f"Sort it.{TEXT_MARK}{label} item{n} of{n}", label) for label in ("ham", "spam") for n in
             range(40 if label == "ham" else 10)]  # fmt: skip
    made = build(workspace, store, texts, balance=2, stratify="label")
    sizes = {name: parts["train"] for name, parts in made.manifest["classes"].items()}
    assert sizes["ham"] == 2 * sizes["spam"]
    assert made.manifest["classification"]
    assert len(made.validation) == 5


def test_general_pairs_are_mixed_into_training_alone(workspace, store, pairs):
    general = [pair(f"g{n}", f"Name colour number {n} of the rainbow please.", "It is blue.") for n in range(9)]
    held_out = build(workspace, store, pairs).validation[0]
    general.append(held_out.model_copy(update={"id": "leak"}))
    made = build_dataset(workspace, store, pairs, name="rules", recipe=DatasetSettings(replay_share=0.4), replay=general)
    added = [item.id for item in made.train if item.id.startswith("replay:")]
    assert len(added) == round(2 / 3 * (len(made.train) - len(added)))
    assert "replay:leak" not in added
    assert made.manifest["counts"]["replay"] == len(added)


def test_two_versions_are_compared(workspace, store, pairs):
    first = build(workspace, store, pairs)
    changed = [pairs[0].model_copy(update={"response": "In the yard."}), *pairs[2:], pair("new", "What is new?")]
    second = build(workspace, store, changed, validation_share=0.2)
    found = compare_datasets(first, second)
    assert (found.added, found.removed, found.changed) == (["new"], [pairs[1].id], {pairs[0].id: ["response"]})
    assert found.rules == {"validation_share": ("the default", 0.2)}
    assert Datasets(workspace, store).diff(first.dataset_id, first.dataset_id).lines()[:2] == ["0 rows added", "0 rows removed"]


def test_wrong_rules_are_named(workspace, store):
    with pytest.raises(InputError, match=r"split = 'random'.*balance = '0'"):
        Datasets(workspace, store).recipe({"split": "random", "balance": "0"})


@pytest.mark.model
def test_personal_data_is_masked_and_only_its_kind_is_noted(workspace, store, pairs, no_connections):
    mail = "jo.ander@example.org"
    told = pair(
        "told",
        f"Can I write to {mail} or call 212-555-0199?",
        "Yes, and pay to DE89 3704 0044 0532 0130 00 before 3 May 2026.",
    )
    made = build(workspace, store, [*pairs, told], personal_data="mask")
    [row] = [item for item in (*made.train, *made.validation) if item.id == "told"]
    assert row.prompt == "Can I write to <EMAIL_ADDRESS> or call <PHONE_NUMBER>?"
    assert row.response == "Yes, and pay to <IBAN_CODE> before 3 May 2026."
    audit = [json.loads(line) for line in (made.folder / "masked.jsonl").read_text().splitlines()]
    assert {(entry["row"], entry["field"], entry["kind"]) for entry in audit} == {
        ("told", "prompt", "EMAIL_ADDRESS"),
        ("told", "prompt", "PHONE_NUMBER"),
        ("told", "response", "IBAN_CODE"),
    }
    assert made.manifest["masked"] == {"EMAIL_ADDRESS": 1, "IBAN_CODE": 1, "PHONE_NUMBER": 1}
    for path in made.folder.iterdir():
        assert mail not in path.read_text()
        assert "555" not in path.read_text()


def test_the_workspaces_own_trainings_say_whether_more_rows_are_worth_it(workspace, store, pairs, tmp_path):
    versions = [build(workspace, store, pairs[:6]), build(workspace, store, pairs)]
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "weights").write_bytes(b"w")
    registry = Registry(workspace, store)
    assert "no learning curve" in Datasets(workspace, store).card("rules")
    for made, score in zip(versions, (0.5, 0.6), strict=True):
        told = {"inputs": {"base": "b"}, "kind": READER, "fingerprint": made.dataset_id, "validation": {"span_f1": score}}
        registry.register("r", tmp_path / "files", base_model="m", dataset_id=made.dataset_id, manifest=told)
    sizes = [len(made.train) for made in versions]
    said = Datasets(workspace, store).card("rules")
    assert f"From {sizes[0]} to {sizes[1]} rows the score went from 0.500 to 0.600" in said
    assert "more labels are worth it" in said
    flat = curve_advice([CurvePoint(100, 0.5), CurvePoint(400, 0.51)], 2000)
    assert "promise little" in flat[0]
    assert "outside what was measured" in flat[1]


def test_the_card_says_whether_a_classification_is_large_enough():
    classes = {"a": {"train": 5, "validation": 0, "test": 0}, "b": {"train": 60, "validation": 0, "test": 0}}
    said = size_advice({"counts": {"train": 65}, "classification": True, "classes": classes})
    assert said == [
        "65 training rows; a simple classification needs 100 to 500: there are too few.",
        "1 classes have fewer than 10 training rows, such as 'a'.",
    ]
    assert "a field's way of answering 10,000 or more" in size_advice({"counts": {"train": 90}, "classification": False})[0]


def test_the_curve_of_active_learning_counts_where_there_is_one(workspace, store, pairs):
    made = build_dataset(workspace, store, pairs, name="rules", origin={"project": "mail"})
    points = [Point(50, 0.7, 0.6, 0.8), Point(100, 0.705, 0.6, 0.8)]
    told = {"at": "", "project": "mail", "strategy": "margin", "reason": "", "seed": 1, "chosen": [], "test": []}
    counts = {"labelled": 100, "labelled_test": 30, "open": 0, "seconds": 0.0}
    add_round(workspace.supervision_folder / "mail", Round(number=1, **told, **counts, curve=points))
    assert "From 50 to 100 rows the score went from 0.700 to 0.705: more rows" in Datasets(workspace, store).card(
        made.dataset_id
    )


def test_a_purge_names_the_datasets_that_hold_the_document_in_any_part(workspace, store, domain):
    made = build(workspace, store, domain, test_share=0.3)
    source = next(item.source for item in made.test if item.source)
    [said] = [line for line in purge(workspace, store, [Named(source, source)]).kept if made.dataset_id in line]
    assert said.startswith(f"{sum(item.source == source for item in made.test)} labelled pair(s)")
