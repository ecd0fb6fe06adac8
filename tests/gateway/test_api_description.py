"""Every response that made-up requests get is one that the API's description names; none is the server's fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from support.fake_assistant import FakeAssistant
from support.serving import served

from doyen.core.workspace import FILE_NAME, Workspace
from doyen.platform.serving.gateway.api import create_app

EXAMPLES = 6
"""Of each operation, beside what covers its schema; the seed is fixed."""
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


BOUNDED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
GOLDEN = json.loads((Path(__file__).parent / "openapi.json").read_text(encoding="utf-8"))
OPERATIONS = [(method.upper(), path) for path, item in GOLDEN["paths"].items() for method in item]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root: Path = tmp_path_factory.mktemp("described")
    (root / FILE_NAME).write_text('name = "test"\n[annotation]\nwebhook_secret = "x"\n')
    with served(create_app(Workspace(root), open_model=FakeAssistant)) as url:
        httpx.post(f"{url}/v1/documents", files={"file": ("a.md", b"# Pump\n\nThe filter is VK-7731.\n")}, timeout=120)
        yield url


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_description_is_true(url: str, method: str, path: str) -> None:
    description = schemathesis.openapi.from_dict({**GOLDEN, "info": {"title": "Doyen", "version": "0"}})
    operation = description[path][method]

    @BOUNDED
    @given(case=operation.as_strategy())
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=url, checks=CHECKS, timeout=60)

    @BOUNDED
    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
    def check_wrong(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=url, checks=CHECKS, timeout=60)

    check()
    try:
        check_wrong()
    except Unsatisfiable:
        assert "requestBody" not in GOLDEN["paths"][path][method.lower()]
