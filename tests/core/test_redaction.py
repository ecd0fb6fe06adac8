"""No password and no key in what people see, and no line in the log that somebody outside has written."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from doyen.core.errors import DoyenError, ServiceError, SettingsError
from doyen.core.logs import JsonFormatter, LineFormatter
from doyen.core.manifest import build_manifest
from doyen.core.redaction import one_line, printable, redact, redact_values
from doyen.core.workspace import FILE_NAME, create_workspace

SECRET = "hunter2"
URLS = [
    "postgresql://doyen:hunter2@db.example/doyen",
    "postgresql+psycopg://doyen:hunter2%21@db.example:5432/doyen?sslmode=require",
    "https://:hunter2@host/v1",
    "https://user:p@hunter2:x@host/v1",
    "https://user:pa/hunter2@host/v1",
    "https://hunter2@host/v1",
    "http://[::1]:8080/?token=hunter2#top",
    "https://host/v1?user=me&api_key=hunter2&x=1",
    "https://host/v1?sig=hunter2",
    "host=db user=me password=hunter2 dbname=x",
    "Authorization: Bearer hunter2hunter2",
    "Authorization: Token hunter2hunter2",
    "{'Authorization': 'Token hunter2hunter2'}",
    "authorization=Basic aHVudGVyMg==hunter2",
    "DOYEN_ANNOTATION__LABEL_STUDIO_API_KEY=hunter2",
    'DOYEN_SERVING__API_KEY="hunter2"',
    "label_studio_api_key: hunter2",
    '{"api_key": "hunter2"}',
    "X-Api-Key: hunter2",
    "HF_TOKEN=hunter2 AWS_SECRET_ACCESS_KEY=hunter2",
    "('https://me:hunter2@host', 'https://other@host2')",
]


@pytest.mark.parametrize("text", URLS)
def test_passwords_and_keys_are_hidden(text: str) -> None:
    shown = redact(f"cannot reach {text} (look at it), or write to help@example.org")
    assert SECRET not in shown
    assert shown.startswith("cannot reach ")
    assert shown.endswith(" (look at it), or write to help@example.org")
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8321/v1/models/hybrid@known:1",
        "sqlite:////home/me/space/.doyen/doyen.db",
        "write to help@example.org, or set serving.api_key",
        "http://127.0.0.1:8080, then http://127.0.0.1:9090",
        "the API key is missing or wrong: send it as 'Authorization: Bearer …'",
        "https://host/v1?q=a&limit=3",
        "max_tokens=9, the key: none, token classification of paragraphs",
    ],
)
def test_what_holds_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_a_bare_token_of_label_studio_is_hidden() -> None:
    assert redact(f"Token {'0123456789abcdef' * 2}01234567 is wrong") == "Token *** is wrong"


@pytest.mark.parametrize("text", URLS)
def test_errors_manifests_and_logs_hide_them(text: str) -> None:
    for error in (ServiceError(text), SettingsError("doyen.toml", [text]), DoyenError(text)):
        assert SECRET not in str(error)
        assert SECRET not in f"{error}"
    assert SECRET not in json.dumps(build_manifest("report", inputs={"a": [text]}, settings={"b": {"url": text}}))
    assert redact_values(("x", 1, None, {"k": 2.5})) == ["x", 1, None, {"k": 2.5}]
    for formatter in (LineFormatter(), JsonFormatter()):
        try:
            raise ValueError(text)
        except ValueError:
            record = logging.LogRecord("doyen", logging.INFO, "f", 1, "failed: %s", (text,), sys.exc_info())
        record.fields = {"url": text, "cause": ValueError(text)}
        assert SECRET not in formatter.format(record)


FORGED = "x\nINFO doyen.gateway: \x1b[2Jall is well\r\u2028INFO a\x85b\u202ec\ud800"


@pytest.mark.parametrize("formatter", [LineFormatter(), JsonFormatter()])
def test_a_record_is_one_line_whatever_it_holds(formatter: logging.Formatter) -> None:
    record = logging.LogRecord("doyen", logging.INFO, "f", 1, "GET %s", (FORGED,), None)
    record.fields = {"path": FORGED}
    text = formatter.format(record)
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert "all is well" in text


def test_no_line_of_a_traceback_looks_like_a_record() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    try:
        raise ValueError(FORGED)
    except ValueError:
        handler.emit(logging.LogRecord("doyen", logging.ERROR, "f", 1, "failed", (), sys.exc_info()))
    first, *rest = stream.getvalue().splitlines()
    assert first == "ERROR doyen: failed"
    assert all(line.startswith("    ") for line in rest)


def test_terminals_get_no_control_characters() -> None:
    assert printable("a\tb\nc\x1b[31md") == "a\tb\nc\\x1b[31md"
    assert one_line("é 日本 🙂") == "é 日本 🙂"


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["doctor"], marks=pytest.mark.soak),
        ["doctor", "--json"],
        pytest.param(["ingest", "nowhere"], marks=pytest.mark.soak),
        ["ask", "Why?", "--debug"],
    ],
)
def test_no_command_prints_a_password(tmp_path: Path, arguments: list[str]) -> None:
    workspace = create_workspace(tmp_path / "space", "test")
    lines = [
        "[serving]",
        'engine = "openai"',
        'openai_url = "http://me:hunter2@127.0.0.1:9/v1?api_key=hunter2"',
        "[annotation]",
        'label_studio_url = "http://me:hunter2@127.0.0.1:9"',
        'label_studio_api_key = "hunter2"',
        "[retrieval]",
        'chroma_url = "http://me:hunter2@127.0.0.1:9"',
        "[eval]",
        'judge_url = "http://hunter2@127.0.0.1:9"',
    ]
    (workspace.root / FILE_NAME).write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, "-c", "from doyen.platform.cli.main import main; main()", *arguments]
    done = subprocess.run([*command, "-w", str(workspace.root)], capture_output=True, text=True, timeout=120)
    assert done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
