"""Where settings come from, and that no secret is shown."""

from __future__ import annotations

import json
from pathlib import Path

from doyen.core.settings import load_settings
from doyen.core.settings_origin import ShownSetting, describe_settings

FILE = """name = "plant"
[serving]
port = 9000
api_key = "kT9-secret"
[[serving.keys]]
name = "ann"
hash = "{hash}"
[platform]
database_url = "postgresql://doyen:pw-secret@db/doyen"
""".replace("{hash}", "a" * 64)


def test_each_setting_tells_its_origin_and_no_secret_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "doyen.toml"
    path.write_text(FILE, encoding="utf-8")
    environment = {"DOYEN_SERVING__MAX_TOKENS": "99", "doyen_annotation__label_studio_api_key": "tok-secret"}
    in_force = load_settings(path, environment)
    path.write_text(FILE.replace("9000", "9001"), encoding="utf-8")
    shown = {each.name: each for each in describe_settings(path, in_force, environment)}

    port = shown["serving.port"]
    assert (port.value, port.default, port.origin, port.variable) == (9000, 8321, "file", "DOYEN_SERVING__PORT")
    assert port.waits
    tokens = shown["serving.max_tokens"]
    assert (tokens.value, tokens.origin, tokens.waits) == (99, "environment", False)
    assert shown["supervision.active.seed"].origin == shown["ui.port"].origin == "default"
    assert "reading at 200 words a minute" in shown["supervision.active.seconds_per_word"].about
    assert shown["serving.api_key"].value == "***"
    assert shown["serving.keys"].value == [
        {"name": "ann", "hash": "***", "groups": [], "admin": False, "adapters": False, "labels": False}
    ]
    assert shown["platform.database_url"].value == "postgresql://doyen:***@db/doyen"
    text = json.dumps([vars(each) for each in shown.values()])
    assert not [secret for secret in ("kT9", "pw-secret", "tok-secret", "a" * 64) if secret in text]
    assert all(isinstance(each, ShownSetting) for each in shown.values())
