"""Labels that are likely wrong: found by models that have not seen them, by evidence, and sent back to people."""

from __future__ import annotations

import numpy as np
import pytest

from doyen.annotation import LabelDescription, TaskDescription, create_project, get_project, list_projects, text_tasks
from doyen.annotation.exchange.label_import import store_labels
from doyen.annotation.store import tasks_in
from doyen.annotation.texts import PlainText
from doyen.annotation.types.spans import Span
from doyen.annotation.types.typed_labels import Classes, Entities, Label, LabelledText, PromptResponse, Region
from doyen.core.errors import InputError
from doyen.core.records import REFUSAL
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.supervision.doubtful_labels import find_label_errors, send_suspects
from doyen.finetune.supervision.learners import OneClass, SeveralClasses, Tagged
from doyen.finetune.supervision.out_of_sample import judge_labels
from doyen.finetune.supervision.pair_doubts import doubt_pairs

NAME = "topics"
WORDS = {"pump": ("pressure", "plunger"), "line": ("heated", "hose"), "door": ("screen", "frame")}


class WordEmbedder:
    """A text's vector counts its words by their first letters, a word's state is that letter."""

    sha256 = "1" * 64

    def encode(self, texts):
        vectors = np.zeros((len(texts), 26), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, (ord(word[0]) - 97) % 26] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)

    def token_states(self, texts):
        found = []
        for text in texts:
            ends = np.cumsum([len(word) + 1 for word in text.split(" ")])
            starts = np.concatenate([[0], ends[:-1]])
            found.append((np.stack([starts, ends - 1], axis=1), self.encode(text.split(" "))))
        return found


TEXTS = [f"{a} {b} {chr(97 + n)} {n}" for a, b in WORDS.values() for n in range(12)]
TRUE = [name for name in WORDS for _ in range(12)]
FLIPPED = {3: "line", 17: "door", 30: "pump"}


def described(kind: str = "classification", *, multiple: bool = False) -> TaskDescription:
    return TaskDescription(type=kind, labels=tuple(LabelDescription(name=name) for name in WORDS), multiple=multiple)


def labelled_project(
    workspace: Workspace,
    store: Store,
    labels: list[tuple[int, Label, str]],
    description: TaskDescription,
    texts: list[str] = TEXTS,
) -> None:
    create_project(workspace, store, NAME, description=description)
    text_tasks(store, NAME, [PlainText(text, "texts.csv", str(n)) for n, text in enumerate(texts)])
    with store.session() as session:
        ids = {task.data["text"]: task.uid for task in tasks_in(session, NAME)}
    given = [LabelledText(ids[texts[n]], texts[n], label, annotator=who) for n, label, who in labels]
    store_labels(workspace, store, NAME, given)


def flipped(who: str = "ada") -> list[tuple[int, Label, str]]:
    return [(n, Classes((FLIPPED.get(n, name),)), who) for n, name in enumerate(TRUE)]


def test_flipped_classes_are_the_worst(workspace: Workspace, store: Store) -> None:
    labelled_project(workspace, store, flipped(), described())
    report = find_label_errors(workspace, store, NAME, WordEmbedder(), share=3 / 36)
    assert {suspect.text for suspect in report.suspects} == {TEXTS[n] for n in FLIPPED}
    assert report.labels == 36
    assert "says pump" in next(suspect.reason for suspect in report.suspects if suspect.text == TEXTS[3])
    assert report.suspects[0].text[:20] in report.as_text()


def test_the_worst_go_back_as_review_tasks_once(workspace: Workspace, store: Store) -> None:
    labelled_project(workspace, store, flipped(), described())
    report = find_label_errors(workspace, store, NAME, WordEmbedder(), share=3 / 36)
    sent = send_suspects(workspace, store, report, expert="eve@example.com")
    assert (sent.sent, sent.review) == (3, "topics review")
    with store.session() as session:
        tasks = sorted(tasks_in(session, sent.review), key=lambda task: task.predictions[0]["score"])
    assert [task.data["text"] for task in tasks] == [suspect.text for suspect in report.suspects]
    assert tasks[0].origin["reason"] == report.suspects[0].reason
    assert send_suspects(workspace, store, report).sent == 0
    assert [row.name for row in list_projects(store)] == [NAME, "topics review"]
    assert get_project(store, sent.review).parent == NAME


def test_a_careless_annotator_is_named_and_doubted_more(workspace: Workspace, store: Store) -> None:
    wrong = dict.fromkeys(range(0, 12, 2), "door") | dict.fromkeys(range(12, 24, 3), "pump")
    careless: list[tuple[int, Label, str]] = [(n, Classes((wrong.get(n, name),)), "ben") for n, name in enumerate(TRUE)]
    careful: list[tuple[int, Label, str]] = [(n, Classes((name,)), "ada") for n, name in enumerate(TRUE)]
    labelled_project(workspace, store, [*careful, *careless], described())
    report = find_label_errors(workspace, store, NAME, WordEmbedder(), share=10 / 72)
    assert [who.annotator for who in report.annotators] == ["ben", "ada"]
    assert report.annotators[0].suspects == 10
    assert len({suspect.text for suspect in report.suspects} & {TEXTS[n] for n in wrong}) >= 8


def test_several_classes_and_what_was_forgotten() -> None:
    learner = SeveralClasses(WordEmbedder().encode)
    targets = [frozenset({name, "any"}) for name in TRUE]
    targets[5] = frozenset({"any"})
    targets[20] = frozenset({"line", "pump", "any"})
    judged = judge_labels(learner, learner.features(TEXTS), targets, TEXTS, 4, 1)
    assert set(np.argsort(judged.quality)[:2].tolist()) == {5, 20}


def test_a_forgotten_entity_makes_its_sentence_the_worst() -> None:
    texts = [f"the {name} of {other} {n}" for n in range(6) for name in ("Pump", "Piston") for other in ("iron", "the unit")]
    labels: list[Label] = [Entities((Region("1", 4, text.index(" of"), "part"),)) for text in texts]
    labels[7] = Entities()
    learner = Tagged(WordEmbedder())
    judged = judge_labels(learner, learner.features(texts), learner.targets(texts, labels), texts, 4, 1)
    assert int(np.argmin(judged.quality)) == 7


def test_no_model_judges_a_text_that_it_was_trained_on() -> None:
    class Watched(OneClass):
        def fit(self, features, targets):
            trained.append({tuple(row) for row in features.rows})
            return super().fit(features, targets)

        def outcomes(self, model, features, targets):
            raise AssertionError

    trained: list[set[tuple[float, ...]]] = []
    learner = Watched(WordEmbedder().encode)
    features = learner.features([*TEXTS, *TEXTS])
    judged = judge_labels(learner, features, [*TRUE, *TRUE], [*TEXTS, *TEXTS], 4, 1)
    assert len(trained) == 4
    every = {tuple(row) for row in features.rows}
    assert all(len(every - seen) >= 8 for seen in trained)
    assert judged.quality.shape == (72,)


def test_a_class_that_a_fold_has_not_seen_is_doubted_and_breaks_nothing() -> None:
    learner = OneClass(WordEmbedder().encode)
    targets = [*TRUE[:-1], "once"]
    judged = judge_labels(learner, learner.features(TEXTS), targets, TEXTS, 4, 1)
    assert int(np.argmin(judged.quality)) == 35


def answer(n: str, prompt: str, response: str, text: str, quote: str = "") -> LabelledText:
    spans = (Span(text.index(quote), text.index(quote) + len(quote), quote),) if quote else ()
    label = PromptResponse(prompt, response, answerable=response != REFUSAL, evidence=spans)
    return LabelledText(n, text, label, annotator="ada", meta={"source": "manual.md"})


def test_answers_are_doubted_by_evidence_and_by_each_other() -> None:
    text = "The filter is changed every 100 hours. The lid is tightened to 4.5 Nm."
    right = answer("1", "How often is the filter changed?", "Every 100 hours.", text, "every 100 hours")
    number = answer("2", "Which torque has the lid?", "It is tightened to 5.4 Nm.", text, "tightened to 4.5 Nm")
    contradicting = answer("3", "How often is the filter changed at all?", "Once a year.", text)
    again = answer("4", "How often is the filter to be changed?", "Every 100 hours.", text)
    refusal = answer("5", "What does the lid cost?", REFUSAL, text)
    nowhere = answer("6", "Who built it?", "Ada did.", "")
    doubts = doubt_pairs([right, number, contradicting, again, refusal, nowhere])
    assert "5.4" in doubts[1].reason
    assert "100 hours" in doubts[2].reason
    assert doubts[2].quality < doubts[1].quality < doubts[0].quality <= doubts[5].quality < doubts[4].quality


def test_answers_that_a_training_hardly_learnt_are_doubted() -> None:
    pairs = [answer(str(n), f"Question {n}?", REFUSAL, "") for n in range(6)]
    areas = {0: 9.0, 1: 10.0, 2: 11.0, 3: 12.0, 4: -4.0}
    doubts = doubt_pairs(pairs, areas)
    assert [doubt.quality for doubt in doubts] == [pytest.approx(0.5, abs=0.01), 1.0, 1.0, 1.0, pytest.approx(0, abs=1e-4), 1.0]
    assert "a margin of -4.0, of most answers 10.0" in doubts[4].reason
    assert {doubt.quality for doubt in doubt_pairs(pairs, dict.fromkeys(range(6), 3.0))} == {1.0}, "all are learnt alike"


def test_what_cannot_be_judged(workspace: Workspace, store: Store) -> None:
    labelled_project(workspace, store, flipped()[:5], described())
    with pytest.raises(InputError, match="5 labels are too few"):
        find_label_errors(workspace, store, NAME, WordEmbedder())
    alike: list[tuple[int, Label, str]] = [(n, Classes(("pump",)), "ada") for n in range(len(TEXTS))]
    with store.session() as session:
        ids = {task.data["text"]: task.uid for task in tasks_in(session, NAME)}
    store_labels(workspace, store, NAME, [LabelledText(ids[TEXTS[n]], TEXTS[n], label, who) for n, label, who in alike])
    with pytest.raises(InputError, match="do not differ"):
        find_label_errors(workspace, store, NAME, WordEmbedder())
