"""``doyen label next`` and ``doyen label errors`` as they are typed, with the packaged embedder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from doyen.annotation import LabelDescription, TaskDescription, create_project, open_texts, text_tasks
from doyen.annotation.exchange.label_import import store_labels
from doyen.annotation.texts import PlainText
from doyen.annotation.types.typed_labels import Classes, LabelledText
from doyen.core.store import open_store
from doyen.core.workspace import Workspace
from doyen.platform.cli.label_command import app
from doyen.retrieval.embedder import load_embedder

NAME = "topics"
ABOUT = {"card": "my bank card has not arrived", "transfer": "the money transfer to my friend failed"}
TEXTS = {f"{text}, case {n}": name for name, text in ABOUT.items() for n in range(15)}

pytestmark = pytest.mark.model


def run(workspace: Workspace, *arguments: str) -> Any:
    done = CliRunner().invoke(app, [*arguments, "--project", NAME, "--json", "--workspace", str(workspace.root)])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    store = open_store(workspace)
    labels = tuple(LabelDescription(name=name) for name in ABOUT)
    create_project(workspace, store, NAME, description=TaskDescription(type="classification", labels=labels))
    text_tasks(store, NAME, [PlainText(text, "texts.csv", str(n)) for n, text in enumerate(TEXTS)])
    wrong = list(TEXTS)[3]
    ids = {each.text: each.item_id for each in open_texts(store, NAME)}
    given = [(text, "transfer" if text == wrong else name) for n, (text, name) in enumerate(TEXTS.items()) if n % 5 != 4]
    labelled = [LabelledText(ids[text], text, Classes((name,)), annotator="ada") for text, name in given]
    store_labels(workspace, store, NAME, labelled)
    store.close()
    return workspace


def test_next_and_errors(filled: Workspace) -> None:
    made = run(filled, "next", "--n", "3", "--strategy", "margin")
    assert (made["number"], made["strategy"], len(made["chosen"])) == (1, "margin", 3)
    queue = (filled.annotation_folder / NAME / "tasks.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["data"]["uid"] for line in queue[:3]] == made["chosen"]
    assert list(Path(filled.supervision_folder / NAME).glob("vectors-*.npz"))
    found = run(filled, "errors", "--share", "0.05", "--review")
    assert found["suspects"][0]["text"] == list(TEXTS)[3]
    assert (found["sent"], found["review"]) == (2, "topics review")


def test_states_of_word_pieces_have_their_places() -> None:
    embedder = load_embedder("all-minilm-l6-v2", "float32")
    texts = ["Adenosine triphosphate binds.", "", "ATP"]
    (places, states), (none, empty), (short, _) = embedder.token_states(texts)
    assert [texts[0][start:end] for start, end in places][-2:] == ["binds", "."]
    assert "".join(texts[0][start:end] for start, end in places) == texts[0].replace(" ", "")
    assert states.shape == (len(places), embedder.dim)
    assert (len(none), len(empty)) == (0, 0)
    assert len(short)
    alone, _ = embedder.token_states([texts[0]])[0], None
    assert np.abs(alone[1] - states).max() < 1e-4
