"""Classes and entities over HTTP: what a request may hold, which names there are, and which keys may ask."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from support.fake_assistant import FakeAssistant
from support.head_projects import PARTS_OF, described, entity_labels, make_project, topic_labels

from doyen import Doyen
from doyen.core.store import open_store
from doyen.core.workspace import FILE_NAME, Workspace, create_workspace
from doyen.platform.serving.gateway.api import create_app
from doyen.platform.serving.gateway.drafts import draft_prediction, open_drafter
from doyen.platform.serving.keys import add_key, remove_key
from doyen.platform.serving.served_heads import MOST_CHARACTERS, MOST_TEXTS

TOPIC, NURSE = "plunger and seal pump 90", "👩‍🔬 Nurse Bob saw machine M-123 in room C 👩‍🔬."


@pytest.fixture(scope="module")
def heads(tmp_path_factory, tiny_encoder):
    """A workspace with a head of each kind."""
    made = create_workspace(tmp_path_factory.mktemp("heads") / "space", "test")
    (made.root / FILE_NAME).write_text(
        f'name = "test"\n[retrieval]\nembedder = "{tiny_encoder}"\n[finetune]\nrank = 4\nhead_epochs = 2\n'
    )
    space = Workspace(made.root)
    store = open_store(space)
    with Doyen(space, store=store) as doyen:
        make_project(space, store, described("classification", *PARTS_OF), topic_labels(), "topics")
        make_project(space, store, described("entities", "CODE", "NAME"), entity_labels(), "names")
        doyen.train_head("topics")
        doyen.train_head("names")
    store.close()
    return space


@pytest.fixture
def client(heads):
    with TestClient(create_app(heads, open_model=FakeAssistant), base_url="http://127.0.0.1") as opened:
        yield opened


def test_texts_get_their_classes_and_entities(client):
    found = client.post("/v1/classify", json={"input": [TOPIC, "hose and probe line 91"], "model": "topics"}).json()
    assert (found["object"], found["model"]) == ("list", "topics:1")
    assert [(each["index"], each["labels"]) for each in found["data"]] == [(0, ["pump"]), (1, ["line"])]
    assert [len(each["scores"]) for each in found["data"]] == [3, 3]
    (marked,) = client.post("/v1/extract", json={"input": NURSE}).json()["data"]
    assert [(each["text"], each["label"]) for each in marked["entities"]] == [("Bob", "NAME"), ("M-123", "CODE")]
    assert all(NURSE[each["start"] : each["end"]] == each["text"] for each in marked["entities"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"input": TOPIC, "model": "nobody"}, 404),
        ({"input": TOPIC, "model": "topics:9"}, 404),
        ({"input": TOPIC, "model": "names"}, 404),
        ({"input": []}, 400),
        ({"input": " "}, 400),
        ({"input": ["a"] * (MOST_TEXTS + 1)}, 400),
        ({"input": "a" * (MOST_CHARACTERS + 1)}, 400),
        ({"input": TOPIC, "modell": "topics"}, 400),
        ({}, 400),
    ],
)
def test_what_cannot_be_asked_is_refused(client, body, status):
    answer = client.post("/v1/classify", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_label_studio_gets_the_drafts_of_the_head_in_production(client):
    services = client.app.state.services
    task_type = services.doyen.annotate.task_type("topics")
    data = {"uid": "1", "text": TOPIC}

    def draft():
        return draft_prediction(open_drafter("topics", task_type, None, services.doyen.heads), task_type, data)

    assert "head" not in draft()["model_version"]
    services.doyen.promote("topics:1", report=None, by="ann", override="a trial")
    found = draft()
    assert found["model_version"] == "head topics:1"
    assert found["result"][0]["value"] == {"choices": ["pump"]}


def test_a_key_that_may_not_ask_adapters_is_told_of_none(heads):
    keys = {adapters: add_key(heads, f"hr{adapters}", groups=["hr"], adapters=adapters) for adapters in (True, False)}
    with TestClient(create_app(Workspace(heads.root), open_model=FakeAssistant), base_url="http://127.0.0.1") as client:

        def ask(key):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            return client.post("/v1/classify", json={"input": TOPIC, "model": "topics"}, headers=headers)

        assert ask(None).status_code == 401
        assert ask(keys[True]).status_code == 200
        refused = ask(keys[False])
        assert refused.status_code == 404
        assert "known: none yet" in refused.json()["error"]["message"]
    for adapters in keys:
        remove_key(Workspace(heads.root), f"hr{adapters}")
