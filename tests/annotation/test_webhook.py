"""Label Studio calls a real gateway, and labels arrive without anybody pulling."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.fake_assistant import FakeAssistant
from support.label_studio import LabelStudioServer
from support.serving import served

from doyen.annotation import create_project, draft_tasks, labelled_pairs, push
from doyen.annotation.create import register_webhook
from doyen.core.errors import InputError, SettingsError
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationProjectRow
from doyen.core.workspace import Workspace
from doyen.platform.serving.gateway.api import create_app

pytestmark = pytest.mark.label_studio
NAME = "hooked"


@pytest.fixture
def gateway(remote: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("DOYEN_ANNOTATION__WEBHOOK_SECRET", "of the hook")
    with served(create_app(Workspace(remote.root), open_model=FakeAssistant)) as url:
        yield url


def test_a_label_comes_in_by_itself(
    remote: Workspace, remote_store: Store, gateway: str, label_studio: LabelStudioServer
) -> None:
    remote = Workspace(remote.root)
    create_project(remote, remote_store, NAME)
    draft_tasks(remote_store, NAME)
    push(remote, remote_store, NAME)
    with remote_store.session() as session:
        project = int(session.get_one(AnnotationProjectRow, NAME).external_id or 0)
    for _ in range(2):
        register_webhook(remote, remote_store, NAME, gateway)
    lead, ada = label_studio.client("lead@example.com"), label_studio.client("ada@example.com")
    (hook,) = lead.webhooks.list(project=str(project))
    assert hook.headers == {"X-Doyen-Secret": "of the hook"}
    task = next(iter(lead.tasks.list(project=project, fields="all")))
    made = ada.annotations.create(id=task.id, result=[dict(region) for region in task.predictions[0].result])
    wait_for_pairs(remote_store, 1)
    ada.annotations.delete(id=made.id)
    wait_for_pairs(remote_store, 0)


def wait_for_pairs(store: Store, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(labelled_pairs(store, NAME)) != count:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_cannot_be_registered(remote: Workspace, remote_store: Store, gateway: str) -> None:
    remote = Workspace(remote.root)
    create_project(remote, remote_store, NAME)
    with pytest.raises(InputError, match="is no address"):
        register_webhook(remote, remote_store, NAME, "localhost:8321")
    (remote.root / "doyen.toml").write_text('name = "test"\n')
    local = Workspace(remote.root)
    create_project(local, remote_store, NAME)
    with pytest.raises(InputError, match="a webhook needs a Label Studio server"):
        register_webhook(local, remote_store, NAME, gateway)


def test_a_webhook_without_a_secret_is_not_registered(remote: Workspace, remote_store: Store) -> None:
    create_project(remote, remote_store, NAME)
    with pytest.raises(SettingsError, match="DOYEN_ANNOTATION__WEBHOOK_SECRET"):
        register_webhook(remote, remote_store, NAME, "http://127.0.0.1:8321")
