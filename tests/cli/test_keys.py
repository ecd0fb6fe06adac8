"""Keys are shown once and stored as hashes; the rest of doyen.toml stays as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from doyen.core.access import OWNER, Access
from doyen.core.errors import InputError, NotFoundError
from doyen.core.workspace import FILE_NAME, Workspace
from doyen.platform.cli.main import app
from doyen.platform.serving.keys import KeyRing, add_key, hash_key, remove_key

BEFORE = '# Our settings\nname = "law"  # the domain\n\n[serving]\nport = 9000 # ours\n\n[ui]\ntitle = "Law"\n'


@pytest.fixture
def space(workspace: Workspace) -> Workspace:
    (workspace.root / FILE_NAME).write_text(BEFORE)
    return Workspace(workspace.root)


def again(space: Workspace) -> Workspace:
    return Workspace(space.root)


def test_a_key_is_printed_once_and_stored_as_a_hash(space: Workspace) -> None:
    given = ["keys", "add", "ann", "--groups", "hr, board", "--workspace", str(space.root)]
    printed = CliRunner().invoke(app, given).stdout
    key = printed.splitlines()[0]
    text = (space.root / FILE_NAME).read_text()
    assert key not in text
    assert hash_key(key) in text
    assert all(line in text for line in BEFORE.splitlines())
    assert KeyRing(again(space)).access(key) == Access("ann", frozenset({"hr", "board"}), adapters=False)
    listed = CliRunner().invoke(app, ["keys", "list", "--json", "--workspace", str(space.root)]).stdout
    assert json.loads(listed) == [
        {"name": "ann", "groups": ["hr", "board"], "admin": False, "adapters": False, "labels": False}
    ]
    assert key not in listed
    CliRunner().invoke(app, ["keys", "remove", "ann", "--workspace", str(space.root)])
    assert (space.root / FILE_NAME).read_text() == BEFORE


@pytest.mark.parametrize(
    "before", ['name = "x"\n', "[serving]\nkeys = []\n", "serving.port = 9000\n", "serving = {port = 9000}\n", ""]
)
def test_keys_fit_into_every_file(workspace: Workspace, before: str) -> None:
    (workspace.root / FILE_NAME).write_text(before)
    keys = [add_key(again(workspace), name, ["a"]) for name in ("one", "two")]
    ring = KeyRing(again(workspace))
    assert [ring.access(key).name for key in keys] == ["one", "two"]
    remove_key(again(workspace), "one")
    assert [key.name for key in again(workspace).settings.serving.keys] == ["two"]


def test_wrong_names_change_nothing(space: Workspace) -> None:
    add_key(space, "ann")
    text = (space.root / FILE_NAME).read_text()
    with pytest.raises(InputError, match="has a key already"):
        add_key(again(space), "ann")
    for name, groups in (("owner", []), ("a b", []), ("ben", ["a,b"])):
        with pytest.raises(InputError, match=r"cannot be a|stands for"):
            add_key(again(space), name, groups)
    with pytest.raises(NotFoundError, match="known: ann"):
        remove_key(again(space), "ben")
    assert (space.root / FILE_NAME).read_text() == text


def test_a_running_gateway_follows_the_file(space: Workspace) -> None:
    ring = KeyRing(space)
    assert ring.access(None) == OWNER
    key = add_key(again(space), "ann")
    assert ring.access(None) is None
    assert ring.access(key + "x") is None
    assert ring.access(key).name == "ann"
    path: Path = space.root / FILE_NAME
    good = path.read_text()
    path.write_text("[serving\n")
    assert ring.access(key).name == "ann"
    path.write_text(good)
    remove_key(again(space), "ann")
    assert ring.access(key) is None
    assert ring.access(None) is None, "who removes the last key does not mean to open the gateway"


def test_administrators_read_everything(space: Workspace) -> None:
    key = add_key(space, "ann", ["hr"], admin=True)
    access = KeyRing(again(space)).access(key)
    assert (access.groups, access.admin, access.adapters) == (None, True, True)


def test_an_open_address_needs_a_key_even_where_there_is_none(space: Workspace) -> None:
    assert KeyRing(space, required=True).access(None) is None
    assert KeyRing(space, required=True).access("anything") is None
