"""Heads from a project's labels to answers: trained, promoted by what was set aside, asked, and rolled back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.head_projects import PARTS_OF, described, entity_labels, make_project, topic_labels

from doyen import Doyen
from doyen.annotation import open_texts, text_tasks
from doyen.annotation.texts import PlainText
from doyen.annotation.types.typed_labels import Classes
from doyen.core.errors import InputError, NotFoundError, StateError
from doyen.core.store.schema import AnnotationTaskRow
from doyen.core.workspace import FILE_NAME, Workspace
from doyen.finetune.heads.head_split import text_hash
from doyen.finetune.heads.train_head import PARTS
from doyen.finetune.registry import CLASSIFIER
from doyen.finetune.supervision.strategies import Strategy
from doyen.platform.serving.served_heads import MOST_TEXTS

OPEN = [
    f"{word} and {other} {n}"
    for n, (word, other) in enumerate([("seal", "hose"), ("probe", "screen"), ("seal", "plunger")] * 6)
]


@pytest.fixture
def doyen(space, store):
    with Doyen(space, store=store) as opened:
        yield opened


def test_a_head_is_promoted_where_it_beats_what_is_there_and_rolled_back(doyen, space, store):
    make_project(space, store, described("classification", *PARTS_OF), topic_labels(60))
    first = doyen.train_head("topics")
    assert first.manifest["test"]["n"] >= 30
    assert doyen.promote(first.ref, report=None, by="ann").stage == "production"
    path = space.root / FILE_NAME
    path.write_text(path.read_text().replace("head_epochs = 2", "head_epochs = 1"))
    with Doyen(Workspace(space.root), store=store) as changed:
        second = changed.train_head("topics")
    assert second.ref == "topics:2"
    with pytest.raises(StateError, match="accuracy is surely above that of topics:1"):
        doyen.promote(second.ref, report=None, by="ann")
    with pytest.raises(InputError, match="a head"):
        doyen.promote(second.ref, report=space.root, by="ann")
    assert doyen.promote(second.ref, report=None, by="ann", override="a trial").stage == "production"
    assert doyen.rollback("topics").ref == first.ref
    found = doyen.classify(["plunger and seal pump 90", "hose and probe line 91"])
    assert [each.labels for each in found] == [["pump"], ["line"]]
    assert sum(score.score for score in found[0].scores) == pytest.approx(1, abs=1e-4)
    assert not found[0].truncated
    assert doyen.classify(["x " * 500], "topics:2")[0].truncated
    rows = [{"id": n, "text": f"{text} x", "answer": label.labels[0]} for n, (text, label) in enumerate(topic_labels(8))]
    learned = json.loads((first.folder / PARTS).read_text())["train"]
    known = next(text for text, _ in topic_labels(60) if text_hash(text) in learned)
    rows.append({"id": "known", "text": known, "answer": "pump"})
    table = 'task = "choice"\nname = "s"\nrows = "s.jsonl"\ninstruction = "Which?"\noptions = ["pump", "line", "door"]\n'
    (space.root / "s.toml").write_text(table)
    (space.root / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = doyen.run_suite(space.root / "s.toml", space.root / "out", adapter="topics")
    assert (report.answered_by, report.n, report.left_out) == ("head topics:1", 24, ["known"])
    assert report.macro_f1["mean"] > 0.8
    assert json.loads((space.root / "out" / "suite.json").read_text()) == report.to_json()


def test_too_few_texts_set_aside_let_no_head_be_promoted(doyen, space, store):
    make_project(space, store, described("entities", "CODE", "NAME"), entity_labels())
    made = doyen.train_head("topics", "names")
    (found,) = doyen.extract_entities(["Nurse Bob saw machine M-123 in room C."])
    assert [(each.text, each.label) for each in found.entities] == [("Bob", "NAME"), ("M-123", "CODE")]
    with pytest.raises(StateError, match="texts show too little"):
        doyen.promote(made.ref, report=None, by="ann")
    new = "Nurse Ada saw machine M-999 in room Z."
    text_tasks(store, "topics", [PlainText(new, "new", "new.csv")])
    assert doyen.model_drafts.draft_by_head("topics")[1] == 1
    (open_text,) = open_texts(store, "topics")
    with store.session() as session:
        task = session.query(AnnotationTaskRow).filter(AnnotationTaskRow.uid == open_text.item_id).one()
        (drafted,) = task.predictions
    assert drafted["model_version"] == "head names:1"
    assert {part["value"]["text"] for part in drafted["result"]} == {"Ada", "M-999"}
    make_project(space, store, described("entities", "CODE"), [], "other")
    with pytest.raises(InputError, match="does not have: B-NAME, I-NAME"):
        doyen.model_drafts.draft_by_head("other", "names")


def test_unknown_heads_and_texts_that_cannot_be_asked_are_refused(doyen, space, store):
    with pytest.raises(NotFoundError, match="train one with `doyen train --head"):
        doyen.classify(["a text"])
    for texts in ([], ["a"] * (MOST_TEXTS + 1), [" "], ["a" * 30_000], "a text"):
        with pytest.raises(InputError):
            doyen.classify(texts)


def test_a_name_is_needed_where_there_are_several(doyen, space, store):
    for name in ("one", "two"):
        labels = [(f"{text} {name}", label) for text, label in topic_labels(6)]
        make_project(space, store, described("classification", *PARTS_OF, multiple=True), labels, name)
        doyen.train_head(name)
    with pytest.raises(InputError, match="one, two"):
        doyen.classify(["a text"])
    doyen.promote("two:1", report=None, by="ann", override="to be asked without a name")
    assert doyen.heads.find(CLASSIFIER, None).ref == "two:1"
    assert doyen.heads.of_project("two").ref == "two:1"
    assert doyen.heads.of_project("one", promoted=True) is None
    with pytest.raises(NotFoundError, match="known: one, two"):
        doyen.classify(["a text"], "three")
    assert Classes(tuple(doyen.classify(["hose and probe line 3 two"])[0].labels)) in [Classes(("line",)), Classes(())]


def test_active_learning_asks_the_head_in_production_how_sure_it_is(doyen, space, store):
    make_project(space, store, described("classification", *PARTS_OF), topic_labels())
    text_tasks(store, "topics", [PlainText(text, str(n), "new.csv") for n, text in enumerate(OPEN)])
    first = doyen.label_next("topics", strategy="margin", n=3)
    assert first.judge == ""
    doyen.train_head("topics")
    doyen.promote("topics:1", report=None, by="ann", override="a trial")
    made = doyen.label_next("topics", strategy="margin", n=3)
    assert made.judge == "topics:1"
    assert "chosen by margin with head topics:1" in made.as_text()
    texts = {each.item_id: each.text for each in open_texts(store, "topics")}
    chosen = [texts[uid] for uid in made.chosen if uid not in made.test]
    learner = doyen.heads.learner("topics", "auto")
    unsure = learner.model().uncertainty(learner.features(OPEN), Strategy.MARGIN, 1)
    assert unsure[OPEN.index(chosen[0])] >= np.sort(unsure)[-6]
    assert learner.model().uncertainty(learner.features(OPEN), Strategy.BALD, 1).shape == (len(OPEN),)
    scores = [each.probabilities for each in doyen.heads.open(doyen.adapters.get("topics:1")).score(OPEN)]
    assert np.allclose(learner.model().probabilities(learner.features(OPEN).rows)[:, 0], scores, atol=1e-5)
    with pytest.raises(NotFoundError, match="has no head"):
        doyen.heads.learner("other", "head")
    assert doyen.heads.learner("topics", "linear") is None
