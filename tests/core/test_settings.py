"""Settings: defaults, environment, and every mistake at once."""

from pathlib import Path

import pytest

from doyen.platform.core.errors import InputError, SettingsError, WorkspaceMissing
from doyen.platform.core.settings import Settings, load_settings
from doyen.platform.core.workspace import create_workspace, find_workspace


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "doyen.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_empty_file_gives_the_defaults(tmp_path):
    assert load_settings(write(tmp_path, ""), {}) == Settings()


def test_three_mistakes_are_reported_together(tmp_path):
    path = write(tmp_path, '[retrieval]\ntop_k = 0\n[serving]\nengine = "magic"\n[ingestion]\nchunk_wrods = 100\n')
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {})
    message = str(caught.value)
    assert len(caught.value.problems) == 3
    assert str(path) in message
    assert "retrieval.top_k" in message
    assert "found 0" in message
    assert "serving.engine" in message
    assert "'llamacpp'" in message
    assert "ingestion.chunk_wrods" in message
    assert "chunk_words" in message


def test_the_environment_overrides_the_file_and_is_named_in_errors(tmp_path):
    path = write(tmp_path, "[retrieval]\ntop_k = 3\n")
    assert load_settings(path, {"DOYEN_RETRIEVAL__TOP_K": "7"}).retrieval.top_k == 7
    with pytest.raises(SettingsError, match=r"DOYEN_RETRIEVAL__TOP_K"):
        load_settings(path, {"DOYEN_RETRIEVAL__TOP_K": "many"})


def test_secrets_do_not_show(tmp_path):
    settings = load_settings(write(tmp_path, ""), {"DOYEN_SERVING__API_KEY": "hunter2"})
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()
    assert settings.serving.api_key.get_secret_value() == "hunter2"
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, "[serving]\napi_key = 5\n"), {})
    assert "found" not in str(caught.value)


@pytest.mark.parametrize("content", [b"[serving\n", b"name = '\xff'\n"])
def test_unreadable_files_are_settings_errors(tmp_path, content):
    path = tmp_path / "doyen.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError):
        load_settings(path, {})


def test_workspaces_are_found_upwards_and_made_once(tmp_path):
    made = create_workspace(tmp_path / "a", 'Na"me')
    inner = made.root / "deep" / "er"
    inner.mkdir(parents=True)
    assert find_workspace(inner).root == made.root
    assert made.settings.name == "Name"
    with pytest.raises(InputError, match="workspace already"):
        create_workspace(made.root)
    with pytest.raises(WorkspaceMissing, match="doyen init"):
        find_workspace(tmp_path)
