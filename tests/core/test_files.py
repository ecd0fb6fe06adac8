"""Atomic writing, hashes and manifests."""

import pytest

from doyen.core.errors import StorageError, storage_errors
from doyen.core.files import new_folder, sha256_bytes, sha256_file, write_json_atomic, write_text_atomic
from doyen.core.manifest import build_manifest, fingerprint, short_id


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    target = tmp_path / "index"
    with new_folder(target) as folder:
        (folder / "a").write_text("old")
    with pytest.raises(RuntimeError), new_folder(target) as folder:
        (folder / "a").write_text("new")
        raise RuntimeError
    assert (target / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.json"
    write_json_atomic(path, {"a": 1})
    with pytest.raises(UnicodeEncodeError):
        write_text_atomic(path, "\ud800")
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert len(list(tmp_path.iterdir())) == 1
    assert sha256_file(path) == sha256_bytes(path.read_bytes())


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("database or disk is full")])
def test_a_full_disk_is_one_error(error):
    with pytest.raises(StorageError, match="while indexing"), storage_errors("indexing"):
        raise error


def test_fingerprints_ignore_time_and_order():
    one = build_manifest("dataset", inputs={"a": 1, "b": 2}, settings={}, seed=1)
    two = build_manifest("dataset", inputs={"b": 2, "a": 1}, settings={}, seed=1)
    other = build_manifest("dataset", inputs={"a": 1, "b": 2}, settings={}, seed=2)
    assert one["fingerprint"] == two["fingerprint"] != other["fingerprint"]
    assert one["libraries"]["torch"]
    assert short_id("a", "b") != short_id("ab")
    assert fingerprint("é") == fingerprint("é")
