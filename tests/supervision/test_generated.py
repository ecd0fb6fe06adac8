"""Labels and questions drafted by a model: held to a form, voted on, found again, kept, audited, and never labels."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.task_labels import TASK_TYPES, labelled

from doyen.annotation import (
    create_project,
    get_task_type,
    labelled_texts,
    open_texts,
    project_status,
    task_texts,
    text_tasks,
)
from doyen.annotation.exchange.label_import import store_labels
from doyen.annotation.texts import PlainText
from doyen.annotation.types.descriptions import NOTHING, LabelDescription, TaskDescription
from doyen.annotation.types.typed_labels import Classes, Entities, LabelledText, PromptResponse, Region
from doyen.core.errors import InputError, ServiceError
from doyen.core.records import REFUSAL, Pair, read_records
from doyen.core.settings import GeneratedSettings
from doyen.core.store import Store
from doyen.core.workspace import FILE_NAME, Workspace
from doyen.core.writing_models import Written
from doyen.finetune.supervision.answer_forms import ask_for, read_form, schema_of
from doyen.finetune.supervision.draft_audit import accept_drafts, measure_audit
from doyen.finetune.supervision.draft_log import DraftLog
from doyen.finetune.supervision.generated import estimate_drafts, label_by_model, project_folder, version_of
from doyen.finetune.supervision.likeness import likeness, most_agreed
from doyen.finetune.supervision.question_drafts import QuestionWriter
from doyen.ingestion.ingest import ingest
from doyen.retrieval.reading.reader import Reading, Span

NAME, MODEL = "desk", "scripted"
TOPICS = ("fees", "delivery")
DESCRIPTION = TaskDescription(type="classification", labels=tuple(LabelDescription(name=each) for each in TOPICS))
TEXTS = [f"Message {n}: what about the {TOPICS[n % 2]} of order {n}?" for n in range(40)]
Reply = Callable[[str, Mapping[str, Any], int], str]


class Scripted:
    """A model that answers by a rule: 10 tokens read, 2 written.

    Attributes:
        prompts: all that was asked.
    """

    name = MODEL

    def __init__(self, reply: Reply) -> None:
        self.reply, self.prompts = reply, list[str]()

    def fill(self, prompt: str, form: Mapping[str, Any], *, max_tokens: int, temperature: float, seed: int) -> Written:
        self.prompts.append(prompt)
        return Written(self.reply(prompt, form, seed), 10, 2)


def topic(prompt: str, form: Mapping[str, Any], seed: int) -> str:
    """Name the right topic, but now and then another."""
    text = prompt.rsplit("Text:\n", 1)[-1]
    right = next((each for each in TOPICS if f"the {each}" in text), TOPICS[0])
    wrong = "Message 7:" in text and seed >= 1000
    return json.dumps({"label": TOPICS[1 - TOPICS.index(right)] if wrong else right})


@pytest.fixture
def desk(workspace: Workspace, store: Store) -> Workspace:
    """A project of forty messages, and room for a small audit."""
    return desk_with(workspace, store, audit=25)


def desk_with(workspace: Workspace, store: Store, **changes: Any) -> Workspace:
    lines = "\n".join(f"{name} = {value}" for name, value in changes.items())
    (workspace.root / FILE_NAME).write_text(f'name = "test"\n[supervision.generated]\n{lines}\n')
    create_project(workspace, store, NAME, description=DESCRIPTION)
    text_tasks(store, NAME, [PlainText(text, "texts.csv", str(n)) for n, text in enumerate(TEXTS)])
    return Workspace(workspace.root)


# The form


@pytest.mark.parametrize("kind", sorted(TASK_TYPES))
def test_every_task_type_has_a_form_that_its_prompt_asks_for(kind: str) -> None:
    task_type = TASK_TYPES[kind]
    form = schema_of(task_type.description)
    assert form["additionalProperties"] is False
    assert json.dumps(form, ensure_ascii=False) in ask_for(task_type, "A text.")
    assert read_form("I would say so.", task_type, "A text.") == (None, ["the answer is no JSON object"])
    assert read_form('{"else": 1}', task_type, "A text.")[0] is None


@pytest.mark.parametrize("kind", sorted(name for name, each in TASK_TYPES.items() if each.name != "prompt-response"))
@given(data=st.data())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_label_in_the_form_is_read_as_its_lines_are(kind: str, data: st.DataObject) -> None:
    """Whatever lines a type writes, the same in JSON gives the same label, words that stand there twice apart."""
    task_type = TASK_TYPES[kind]
    text, label = data.draw(labelled(kind))
    try:
        pair = task_type.to_pair(label, {"uid": "u", "text": text}, pair_id="p", annotator="", created_at="")
    except ValidationError:  # nothing but blanks is marked
        return
    plain, wrong = task_type.parse(pair.response, text)
    if wrong or " @" in pair.response or "\\" in pair.response:
        return
    found, problems = read_form(json.dumps(_in_form(task_type, pair.response)), task_type, text)
    assert (found, problems) == (plain, [])


def _in_form(task_type: Any, response: str) -> dict[str, Any]:
    """Write lines as JSON, the other way round."""
    lines = [] if response == NOTHING else response.split("\n")
    description = task_type.description
    if task_type.name in {"classification", "sentiment"}:
        return {"labels": lines} if description.multiple else {"label": lines[0]}
    if task_type.name == "coreference":
        named = len(description.labels) > 1
        return {"things": [[_marked(part, named) for part in line.split(" | ")] for line in lines]}
    if task_type.name == "pos":
        return {"tokens": [_marked(line) for line in lines]}
    if not description.relations:
        return {"entities": [_marked(line) for line in lines]}
    marks = [_marked(line.split(" ", 1)[1]) for line in lines if not _link(line)]
    links = [dict(zip(("first", "relation", "second"), link, strict=True)) for line in lines if (link := _link(line))]
    return {"entities": marks, "relations": links}


def _marked(line: str, named: bool = True) -> dict[str, str]:
    label, words = line.split(": ", 1) if named else ("mention", line)
    return {"label": label, "words": words}


def _link(line: str) -> tuple[int, str, int] | None:
    link = re.fullmatch(r"(\d+) -(.+)-> (\d+)", line)
    return (int(link[1]), link[2], int(link[3])) if link else None


# Votes


def test_votes_choose_the_label_that_is_most_like_the_others() -> None:
    a, b = Classes(("fees",)), Classes(("delivery",))
    assert most_agreed([a, b, a]) == (0, 0.5)
    assert most_agreed([a, a, a]) == (0, 1.0)
    marks = [Region("1", 0, 3, "PART"), Region("2", 5, 8, "PART")]
    both, one = Entities(tuple(marks)), Entities((marks[0],))
    assert likeness(both, one) == pytest.approx(2 / 3)
    assert likeness(Entities(), Entities()) == 1.0
    asked = PromptResponse("How long?", "4,000 hours", True)
    assert likeness(asked, PromptResponse("how long?", "every 4,000 hours", True)) == 1.0
    assert likeness(asked, PromptResponse("How long?", "900 hours", True)) == 0.0
    assert likeness(asked, PromptResponse("How far?", "4,000 hours", True)) == 0.0


def test_an_answer_in_a_wrong_form_is_asked_for_again(desk: Workspace, store: Store) -> None:
    model = Scripted(lambda prompt, form, seed: topic(prompt, form, seed) if (seed - 17) % 1000 else "No idea.")
    report = label_by_model(desk, store, NAME, model, limit=3)
    assert (report.asked, report.drafts) == (3, 3)
    assert len(model.prompts) == 3 * 3 * 2, "three votes, each asked for twice"
    silent = Scripted(lambda *_: "No idea.")
    silent.name = "silent"
    report = label_by_model(desk, store, NAME, silent, limit=2)
    assert report.drafts == 0
    assert report.dropped == {"no answer in the form that was asked for": 2}


# A run


def test_drafts_are_predictions_kept_and_never_paid_for_twice(desk: Workspace, store: Store) -> None:
    model = Scripted(topic)
    estimate = estimate_drafts(desk, store, NAME, model)
    asked = len(model.prompts)
    assert estimate.expected.units == 36
    assert estimate.expected.prompt_tokens == 36 * 3 * 10
    report = label_by_model(desk, store, NAME, model)
    assert (report.asked, report.drafts, report.audit) == (36, 40, 25)
    assert len(model.prompts) == asked + 36 * 3, "what was drafted for the estimate is kept"
    assert report.cost["error"]["prompt_tokens"] == 0.0
    assert project_status(store, NAME).annotators == {}
    assert list(labelled_texts(store, NAME)) == []
    again = label_by_model(desk, store, NAME, model)
    assert (again.asked, again.drafts, len(model.prompts)) == (0, 40, asked + 36 * 3)
    with pytest.raises(InputError, match="nothing is left"):
        estimate_drafts(desk, store, NAME, model)
    manifest = json.loads((project_folder(desk, NAME) / "manifest.json").read_text())
    assert manifest["inputs"] == {"project": NAME, "model": MODEL, "prompts": 1}


def test_a_run_that_the_server_ends_goes_on_where_it_was(desk: Workspace, store: Store) -> None:
    def tired(prompt: str, form: Mapping[str, Any], seed: int) -> str:
        if len(model.prompts) > 3 * 5:
            raise ServiceError("the server is down")
        return topic(prompt, form, seed)

    model = Scripted(tired)
    with pytest.raises(ServiceError):
        label_by_model(desk, store, NAME, model)
    log = project_folder(desk, NAME) / "drafts.jsonl"
    with log.open("a") as stream:
        stream.write('{"key": "torn')
    assert len(DraftLog(log.parent).known) == 5
    model = Scripted(topic)
    assert label_by_model(desk, store, NAME, model).asked == 35


def test_a_budget_ends_a_run(workspace: Workspace, store: Store) -> None:
    desk = desk_with(workspace, store, budget=1.0, votes=1)
    with pytest.raises(InputError, match=f"no price for {MODEL}"):
        label_by_model(desk, store, NAME, Scripted(topic))
    with (desk.root / FILE_NAME).open("a") as added:
        added.write(f'[[costs.prices]]\nmodel = "{MODEL}"\nprompt_1000 = 20\n')
    desk = Workspace(desk.root)
    report = label_by_model(desk, store, NAME, Scripted(topic))
    assert report.asked == 5, "each text costs 0.2"
    assert "budget, 1 EUR, is spent" in report.stopped


# Questions


PASSAGE = "The seal of the Arrel 40 is replaced every 4,000 hours. The lamp is blue."
SECOND = "Its housing takes 12 Nm. Fans run at 900 rpm."


class Finds:
    """A reader that finds a text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self, question: str, passages: list[str], *, spans: int = 1) -> list[Reading]:
        places = [passage.find(self.text) for passage in passages]
        return [Reading((Span(at, at + len(self.text), 5.0),) if at >= 0 else (), 1.0) for at in places]


def written(
    kind: str, reply: Mapping[str, str], found: str = "4,000 hours", votes: int = 3, answers: str = "4,000 hours"
) -> Any:
    def fill(prompt: str, form: dict[str, Any], sample: int) -> dict[str, Any]:
        evidence = form["properties"].get("evidence", {"enum": [GOOD["evidence"]]})
        assert GOOD["evidence"] in evidence["enum"], "a model is held to the sentences of the passage"
        return {"answer": answers} if sample else {**reply}

    from doyen.annotation import Excerpt

    second = lambda _: (SECOND, f"{PASSAGE}\n\n{SECOND}")  # noqa: E731
    return QuestionWriter(fill, votes, Finds(found), second, 17).write(
        Excerpt(PASSAGE, document_id="d"), kind, ["Who is Bontes 7?"]
    )


GOOD = {
    "question": "How often is the seal of the Arrel 40 replaced?",
    "answer": "every 4,000 hours",
    "evidence": "The seal of the Arrel 40 is replaced every 4,000 hours.",
}


def test_a_question_is_kept_when_votes_and_the_reader_find_its_answer() -> None:
    made = written("single", GOOD)
    assert (made.label.prompt, made.label.response, made.score) == (GOOD["question"], GOOD["answer"], 1.0)
    assert [span.text for span in made.label.evidence] == [GOOD["evidence"]]
    assert written("single", GOOD, answers="yearly").score == pytest.approx(1 / 3, abs=1e-3)
    assert written("single", GOOD, found="blue").dropped == "the reader does not find the answer"


@pytest.mark.parametrize(
    ("change", "dropped"),
    [
        ({"answer": "yearly"}, "does not hold the answer"),
        ({"answer": "…"}, "holds the answer"),
        ({"evidence": "The seal is replaced."}, "does not hold the evidence"),
        ({"question": "Why?"}, "too short"),
        ({"question": "The seal of the Arrel 40 is replaced?"}, "copied"),
        ({"question": "Is it replaced every 4,000 hours?"}, "holds the answer"),
    ],
)
def test_a_question_that_is_none_is_dropped(change: dict[str, str], dropped: str) -> None:
    assert dropped in written("single", {**GOOD, **change}).dropped


def test_questions_on_two_passages_and_such_as_nothing_answers() -> None:
    two = written("two", {**GOOD, "evidence_1": GOOD["evidence"], "evidence_2": "Its housing takes 12 Nm."})
    assert [span.text for span in two.label.evidence] == [GOOD["evidence"]]
    assert two.label.quotes == ("Its housing takes 12 Nm.",)
    swapped = written("unanswerable", GOOD).label
    assert (swapped.answerable, swapped.response, swapped.evidence) == (False, REFUSAL, ())
    assert swapped.prompt != GOOD["question"]
    assert swapped.prompt.startswith("How often is the seal of the")
    assert "no value" in written("unanswerable", {**GOOD, "question": "How often is the seal replaced?"}).dropped


def test_chunks_become_tasks_with_a_question_as_their_draft(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "arrel.txt").write_text(PASSAGE)
    ingest(workspace, store, [tmp_path / "documents"])
    create_project(workspace, store, "qa", "prompt-response")
    model = Scripted(lambda *_: json.dumps({**GOOD, "evidence_1": "", "evidence_2": ""}))
    report = label_by_model(workspace, store, "qa", model, Finds("4,000 hours"))
    assert report.drafts == report.asked == 1
    (task,) = open_texts(store, "qa")
    assert task.prompt.startswith("How often is the seal of the")
    (shown,) = task_texts(store, "qa")
    assert shown.meta["source"] == "arrel.txt"
    assert report.audit == 1


# The audit


def test_drafts_are_used_without_people_only_after_an_audit(desk: Workspace, store: Store, tmp_path: Path) -> None:
    version, pairs = version_of(MODEL), tmp_path / "pairs.jsonl"
    label_by_model(desk, store, NAME, Scripted(topic))
    first = [text.text for text in open_texts(store, NAME)]
    audit = measure_audit(desk, store, NAME, version)
    assert (audit.judged, audit.waiting, audit.passed) == (0, 25, False)
    with pytest.raises(InputError, match="nothing is judged yet"):
        accept_drafts(desk, store, NAME, version, 0.9, pairs)
    sample = json.loads((project_folder(desk, NAME) / "audit.json").read_text())["drafts"]
    judge(desk, store, dict.fromkeys(sample, True))
    audit = measure_audit(desk, store, NAME, version)
    assert (audit.judged, audit.precision, audit.passed) == (25, 1.0, True)
    assert audit.low == pytest.approx(0.867, abs=1e-3)
    count, _ = accept_drafts(desk, store, NAME, version, 0.9, pairs)
    made = read_records(pairs, Pair)
    assert count == len(made) == len(first) - 25 - sum("Message 7:" in text.text for text in open_texts(store, NAME))
    assert {pair.annotator for pair in made} == {version}
    assert all(pair.response in pair.prompt.rsplit("Text:\n", 1)[1] for pair in made)
    assert len(list(labelled_texts(store, NAME))) == 25, "accepted drafts are no labels"


def test_an_audit_that_finds_too_many_mistakes_is_not_passed(desk: Workspace, store: Store, tmp_path: Path) -> None:
    label_by_model(desk, store, NAME, Scripted(topic))
    sample = json.loads((project_folder(desk, NAME) / "audit.json").read_text())["drafts"]
    judge(desk, store, {uid: number % 5 != 0 for number, uid in enumerate(sorted(sample))})
    audit = measure_audit(desk, store, NAME, version_of(MODEL))
    assert (audit.judged, audit.precision, audit.passed) == (25, pytest.approx(0.8), False)
    with pytest.raises(InputError, match="not passed"):
        accept_drafts(desk, store, NAME, version_of(MODEL), 0.0, tmp_path / "pairs.jsonl")
    assert measure_audit(desk, store, NAME, version_of("another")).judged == 0


def judge(workspace: Workspace, store: Store, right: Mapping[str, bool]) -> None:
    """Label tasks as a person who agrees with their draft, or does not."""
    texts = {text.item_id: text.text for text in task_texts(store, NAME)}
    drafts = json.loads((project_folder(workspace, NAME) / "audit.json").read_text())["drafts"]
    labels = []
    for uid, agrees in right.items():
        drafted = drafts[uid]["label"]["labels"][0]
        said = drafted if agrees else TOPICS[1 - TOPICS.index(drafted)]
        labels.append(LabelledText(uid, texts[uid], Classes((said,)), annotator="ada"))
    store_labels(workspace, store, NAME, labels)


def test_settings_and_types_fit_together() -> None:
    assert GeneratedSettings().two_passages + GeneratedSettings().unanswerable < 1
    assert get_task_type("prompt-response").name == "prompt-response"
