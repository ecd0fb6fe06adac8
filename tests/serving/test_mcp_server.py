"""An agent's tools over stdio, spoken to by the SDK's own client: each key finds and is told what it may read, and no more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.command_line import start_doyen
from support.model_server import saying

from doyen import Doyen
from doyen.core.workspace import FILE_NAME, Workspace, create_workspace
from doyen.platform.serving.keys import add_key, remove_key

mcp = pytest.importorskip("mcp")
pytestmark = pytest.mark.model

SETTINGS = (
    '[retrieval]\nretriever = "lexical"\n[serving]\nreader = "none"\n[[ingestion.access]]\nfolder = "hr"\ngroups = ["hr"]\n'
)


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with an open document and a closed one."""
    folder = tmp_path_factory.mktemp("mcp")
    for name, text in {
        "hr/pay.md": "# Pay\n\nThe Quorvexil bonus of the judge is 9,000 euro a year.",
        "valve.md": "# Valve\n\nThe relief valve of the boiler opens at 6 bar. It is tested each spring.",
    }.items():
        path = folder / "documents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    workspace = create_workspace(folder / "space", "plant")
    (workspace.root / FILE_NAME).write_text('name = "plant"\n' + SETTINGS)
    with Doyen(workspace.root) as doyen:
        doyen.ingest([folder / "documents"])
    return Workspace(workspace.root)


def talk(space: Workspace, key: str, environment: dict[str, str], *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Start ``doyen mcp`` with a key, call tools one after the other; return their results, or the text of an error.

    A call without a name is a function that is called here.
    """
    arguments = ["-m", "doyen.platform.cli.main", "mcp", "-w", str(space.root)]
    server = mcp.StdioServerParameters(
        command=sys.executable, args=arguments, env={"DOYEN_API_KEY": key, **environment}, cwd=Path.cwd()
    )

    async def run() -> list[Any]:
        found: list[Any] = []
        async with mcp.Client(server) as client:
            found.append(sorted(tool.name for tool in (await client.list_tools()).tools))
            for name, given in calls:
                if callable(name):
                    name()
                    continue
                given = {each: found[-1]["answer_id"] if value is ... else value for each, value in given.items()}
                result = await client.call_tool(name, given)
                found.append(result.content[0].text if result.is_error else result.structured_content)
        return found

    return anyio.run(run)


def test_an_agent_finds_asks_cites_and_proposes_with_the_rights_of_its_key(space):
    ann, bob = add_key(space, "ann", ["hr"]), add_key(Workspace(space.root), "bob")
    pay, valve = {"query": "Quorvexil bonus of the judge"}, {"query": "relief valve boiler"}
    said = (
        "The relief valve of the boiler opens at 6 bar [3]. The judge gets a Quorvexil bonus of 9,000 euro. It opens at 8 bar."
    )
    question = {"question": "At which pressure does the relief valve open?", "mode": "rag"}
    label = {"answer_id": ..., "response": "At 6 bar.", "reason": "The manual says so."}
    with saying("The relief valve opens at 6 bar [1].") as model:
        tools, *hers = talk(
            space,
            ann,
            model,
            ("search", pay),
            ("search", valve),
            ("cite", {"text": said}),
            ("ask", question),
            ("propose_label", label),
        )
        other = hers[3]["answer_id"]
        _, *his = talk(
            space,
            bob,
            model,
            ("search", pay),
            ("search", valve),
            ("cite", {"text": said}),
            ("propose_label", {**label, "answer_id": other}),
            ("propose_label", {**label, "answer_id": "0" * 32}),
            ("ask", {"question": "?" * 9000}),
            (lambda: remove_key(Workspace(space.root), "bob"), {}),
            ("search", valve),
        )
    assert tools == ["ask", "cite", "propose_label", "search"]
    assert "9,000 euro" in hers[0]["passages"][0]["text"]
    assert "Quorvexil" not in str(his[:3]).replace(said, "").replace("The judge gets a Quorvexil bonus of 9,000 euro.", "")
    assert his[1]["passages"][0]["source"] == "valve.md"
    first, second, third = hers[2]["statements"]
    [citation] = first["citations"]
    assert citation["quote"].endswith("The relief valve of the boiler opens at 6 bar.")
    assert citation["source"] == "valve.md"
    assert said[first["start"] : first["end"]] == first["text"]
    assert second["citations"][0]["source"] == "hr/pay.md"
    assert third["citations"] == []
    assert [bool(each["citations"]) for each in his[2]["statements"]] == [True, False, False]
    assert hers[3]["answer"].startswith("The relief valve opens at 6 bar")
    assert hers[3]["citations"][0]["source"] == "valve.md"
    # An answer of another key looks like one that never was.
    assert his[3].replace(other, "") == his[4].replace("0" * 32, "")
    assert "longer than" in his[5] or "characters" in his[5]
    assert "DOYEN_API_KEY is missing or wrong" in his[6]
    with Doyen(space.root) as doyen:
        doyen.annotate.create("qa", "prompt-response")
        assert doyen.annotate.feedback("qa").made == 1


def test_without_the_key_nothing_is_served(space):
    add_key(Workspace(space.root), "eve")
    ended = start_doyen("mcp", "-w", space.root, DOYEN_API_KEY="doyen_wrong")
    assert (ended.code, ended.out) == (1, "")
    assert "DOYEN_API_KEY is missing or wrong" in ended.err
