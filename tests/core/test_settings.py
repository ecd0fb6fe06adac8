"""Settings: defaults, environment, and every mistake at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from doyen.core.errors import InputError, SettingsError, WorkspaceMissing
from doyen.core.settings import Settings, load_settings
from doyen.core.workspace import create_workspace, find_workspace


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


def every_setting(section: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for key in type(section).model_fields:
        value = getattr(section, key)
        yield from every_setting(value, (*path, key)) if isinstance(value, BaseModel) else [((*path, key), value)]


def test_every_setting_can_be_set_by_environment(tmp_path):
    """The defaults, written as text, give the defaults again, and each is named in an error when it is nonsense."""
    path, plain = write(tmp_path, ""), Settings()
    for key, value in every_setting(plain):
        variable = f"DOYEN_{'__'.join(key)}".upper()
        if hasattr(value, "get_secret_value"):
            continue
        separator = ";" if key[-1].endswith("rules") else ","
        text = "" if value is None else separator.join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert load_settings(path, {variable: text}) == plain, variable
        if not isinstance(value, str) and value is not None:
            with pytest.raises(SettingsError, match=variable):
                load_settings(path, {variable: "nonsense"})
    assert load_settings(path, {"DOYEN_NAME": "law"}).name == "law"
    assert load_settings(path, {"DOYEN_CACHE": "/tmp/x"}) == plain


@pytest.mark.parametrize("text", ["0.7,0.1,0.2", "[0.7, 0.1, 0.2]", "0.7 0.1 0.2", "(0.7, 0.1, 0.2)"])
def test_shares_are_read_from_the_environment(tmp_path, text):
    settings = load_settings(write(tmp_path, ""), {"DOYEN_FINETUNE__RAFT_SHARES": text})
    assert settings.finetune.raft_shares == (0.7, 0.1, 0.2)


@pytest.mark.parametrize(
    ("shares", "reason"),
    [
        ("0.7,0.1", "field required"),
        ("0.7,0.1,0.1", "sum to 1, not to 0.9"),
        ("1.2,-0.1,-0.1", "less than or equal to 1"),
        ("0,0.5,0.5", "gold passage"),
        ("nan,0.5,0.5", "finite"),
        ("", "field required"),
    ],
)
def test_shares_that_are_none_are_refused(tmp_path, shares, reason):
    with pytest.raises(SettingsError, match=reason):
        load_settings(write(tmp_path, ""), {"DOYEN_FINETUNE__RAFT_SHARES": shares})
    assert load_settings(write(tmp_path, "[finetune]\nraft_shares = [0, 0, 1]\n"), {}).finetune.raft_shares == (0, 0, 1)


def test_numbers_have_two_ends_and_texts_are_not_empty(tmp_path):
    """Every number that is no port is refused far above and below what makes sense, as are infinity and 'not a number'."""
    plain, path = Settings(), write(tmp_path, "")
    for section, keys in plain.model_dump().items():
        for key, value in keys.items() if isinstance(keys, dict) else ():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            for wrong in ("-1", "1e12", "inf", "nan"):
                with pytest.raises(SettingsError):
                    load_settings(path, {f"DOYEN_{section}__{key}".upper(): wrong})
    for variable in ("DOYEN_SERVING__MODEL", "DOYEN_RETRIEVAL__EMBEDDER", "DOYEN_NAME", "DOYEN_SERVING__HOST"):
        with pytest.raises(SettingsError):
            load_settings(path, {variable: ""})


@pytest.mark.parametrize("variable", ["RETRIEVAL__CHROMA_URL", "SERVING__OPENAI_URL", "EVAL__JUDGE_URL"])
def test_addresses_are_checked_and_shown_without_passwords(tmp_path, variable):
    path = write(tmp_path, "")
    for wrong in ("localhost:8000", "ftp://ann:hunter2@host", "http://", "http://ann:hunter2@host:99999"):
        with pytest.raises(SettingsError) as caught:
            load_settings(path, {f"DOYEN_{variable}": wrong})
        assert "hunter2" not in str(caught.value)
    settings = load_settings(path, {f"DOYEN_{variable}": "http://ann:hunter2@host:1/v1"})
    section, key = variable.lower().split("__")
    assert getattr(getattr(settings, section), key) == "http://ann:hunter2@host:1/v1"


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


@pytest.mark.parametrize("rules", ["", "hybrid token_f1 > rag-shrot, if evaluated", "hybird token_f1 > rag", "hybrid > rag"])
def test_rules_that_would_silently_open_the_gate_are_refused(tmp_path, rules):
    """None at all, and rules about a mode that does not exist: one that holds "if evaluated" would never be asked."""
    with pytest.raises(SettingsError, match="GATE__RULES"):
        load_settings(write(tmp_path, ""), {"DOYEN_EVAL__GATE__RULES": rules})
