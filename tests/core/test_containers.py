"""The image and the services beside it: no engine runs here, so rules are checked, and the parts that are ours are run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.required import require

from doyen.core.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
ENTRY_POINT = ROOT / "scripts" / "docker_entrypoint.sh"
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
TOP: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PINNED = re.compile(r":v?\d+\.\d+(\.\d+)?(-[\w.]+)?$")
GIVEN = {"LABEL_STUDIO_PASSWORD": "pw", "LABEL_STUDIO_TOKEN": "t" * 40}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text()).replace("\\\n", " ")
    return [(line.split()[0], line.split(None, 1)[1]) for line in text.splitlines() if line.strip()]


def test_the_dockerfile_keeps_the_rules_of_a_lean_image_without_root_or_secrets():
    found = instructions()
    names = [name for name, _ in found]
    bases = [text for name, text in found if name == "FROM"]
    assert all(PINNED.search(base.replace("-slim", "")) for base in bases), bases
    assert "ADD" not in names
    runs = [text for name, text in found if name == "RUN"]
    for run in runs:
        assert "sudo" not in run
        if "apt-get install" in run:
            wanted = ("apt-get update", " -y", "--no-install-recommends", "rm -rf /var/lib/apt/lists/*")
            assert [part for part in wanted if part not in run] == []
        assert run.count("pip install") == run.count("pip install --no-cache-dir")
    assert any("libgomp1" in run for run in runs)
    users = [text for name, text in found if name == "USER"]
    assert users[-1] not in {"root", "0"}
    assert names.index("USER") > max(number for number, name in enumerate(names) if name in {"RUN", "COPY"})
    assert all(json.loads(text) for name, text in found if name in {"CMD", "ENTRYPOINT"})
    assert not [text for name, text in found if name in {"ENV", "ARG"} and re.search("(?i)key|token|password|secret", text)]
    assert {"HEALTHCHECK", "VOLUME"} <= set(names)


def test_the_image_holds_no_secret_and_none_is_committed():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", "secrets", "documents", "workspace"} <= set(ignored)
    for secret in TOP["secrets"].values():
        done = subprocess.run(["git", "check-ignore", "-q", secret["file"]], cwd=ROOT, check=False)
        assert done.returncode == 0, secret


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_pinned_watched_started_again_and_open_to_this_machine_alone(name):
    service = SERVICES[name]
    assert ("build" in service) != ("image" in service)
    assert "build" in service or PINNED.search(service["image"]), service
    assert service["restart"] == "unless-stopped"
    assert "build" in service or service["healthcheck"]["test"][0] == "CMD"
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    assert not service.get("privileged")
    mounted = [str(volume).split(":")[0] for volume in service["volumes"]]
    assert {each for each in mounted if not each.startswith(".")} <= set(TOP["volumes"])
    assert all(str(volume).endswith(":ro") for volume in service["volumes"] if str(volume).startswith("."))
    for key, value in service.get("environment", {}).items():
        if re.search("KEY|TOKEN|PASSWORD|SECRET", key) and not key.startswith("LABEL_STUDIO_ENABLE"):
            assert str(value).startswith("${"), f"{key} is written into the file"
    for other, how in service.get("depends_on", {}).items():
        assert how["condition"] == "service_healthy"
        assert "profiles" not in SERVICES[other], f"{other} is not always there"


def test_the_gateways_variables_and_secrets_are_settings(tmp_path):
    values = {
        "DOYEN_PLATFORM__DATABASE_URL": "postgresql://doyen@postgres/doyen",
        "DOYEN_RETRIEVAL__CHROMA_URL": "http://chroma:8000",
        "DOYEN_SERVING__ENGINE": "openai",
        "DOYEN_SERVING__MODEL": "qwen",
        "DOYEN_SERVING__OPENAI_URL": "http://vllm:8000/v1",
        "DOYEN_SERVING__API_KEY": "key",
    }
    named = [name for name in (*SERVICES["doyen"]["environment"], *SERVICES["doyen"]["secrets"]) if name.startswith("DOYEN_")]
    environment = {name: values.get(name) or SERVICES["doyen"]["environment"][name] for name in named}
    (tmp_path / "doyen.toml").touch()
    settings = load_settings(tmp_path / "doyen.toml", environment).model_dump(mode="python")
    for name in named:
        section, key = name.removeprefix("DOYEN_").lower().split("__")
        assert settings[section][key], name
    # The hosts that they name are services.
    hosts = {re.split(r"[:/]", url.split("://")[1].split("@")[-1])[0] for url in environment.values() if "://" in str(url)}
    assert hosts <= set(SERVICES)


def test_the_entry_point_makes_a_workspace_once_and_hands_secrets_on(tmp_path):
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "DOYEN_SERVING__API_KEY").write_text("a key with blanks\n")
    (secrets / "postgres").write_text("not ours")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "WORKSPACE": str(tmp_path / "space"), "DOYEN_SECRETS_FOLDER": str(secrets)}
    command = [ENTRY_POINT, "sh", "-c", 'printf %s "$DOYEN_SERVING__API_KEY"; exit 7']
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (first.returncode, first.stdout) == (7, "a key with blanks"), first.stderr
    (tmp_path / "space" / "doyen.toml").write_text('name = "mine"\n')
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (7, "a key with blanks"), again.stderr
    assert (tmp_path / "space" / "doyen.toml").read_text() == 'name = "mine"\n'


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_tells_a_live_gateway_from_one_that_is_not(status, code):
    asked = []

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    text = next(text for name, text in instructions() if name == "HEALTHCHECK")
    command = json.loads(text[text.index("[") :])
    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        words = [sys.executable, *(word.replace(":8321", f":{server.server_port}") for word in command[1:])]
        done = subprocess.run(words, capture_output=True, check=False)
        thread.join()
    assert (min(done.returncode, 1), asked) == (code, ["/healthz"])


def test_compose_itself_reads_the_file():
    plugin = shutil.which("docker") and not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    command = ["docker", "compose"] if plugin else ["docker-compose"]
    require(bool(shutil.which(command[0])), "COMPOSE", "Docker Compose is not installed")
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **GIVEN}

    def read(**given: str) -> subprocess.CompletedProcess[str]:
        words = [*command, "config", "--quiet"]
        return subprocess.run(words, cwd=ROOT, env={**environment, **given}, capture_output=True, text=True, check=False)

    for profiles in ("", "scale", "gpu", "scale,gpu"):
        done = read(COMPOSE_PROFILES=profiles)
        assert done.returncode == 0, done.stderr
    assert "set LABEL_STUDIO_TOKEN to 40 characters" in read(LABEL_STUDIO_TOKEN="").stderr
