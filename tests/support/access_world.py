"""Documents with groups and canary words, callers with keys, and a gateway that says all it knows.

    document 7   reports/qz07a.md   "… the qz07b valve …"      groups {red, blue}
    caller       red-2              groups {red}

The engine repeats its whole prompt, so that whatever an answer rests on is in the response. A canary word stands in no other
document: one of a document that the caller may not read must be in no byte of a response.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.testclient import TestClient

from doyen.core.access import Access
from doyen.core.answers import Retriever
from doyen.core.manifest import short_id
from doyen.core.store import Store, open_store
from doyen.core.workspace import FILE_NAME, Workspace, create_workspace
from doyen.finetune.registry import Registry
from doyen.platform.documents import ingest_documents, set_document_groups
from doyen.platform.serving.assistant import Assistant, LazyRetriever
from doyen.platform.serving.engines import Generation, GenerationRequest
from doyen.platform.serving.gateway.api import create_app
from doyen.platform.serving.keys import hash_key
from doyen.platform.serving.reading import reader_opener

GROUPS = ("red", "green", "blue", "grey")
SUBJECTS = ("pump", "valve", "filter", "controller", "sensor", "membrane")
FACTS = ("is replaced every {} months", "is checked after {} hours", "takes a torque of {} Nm", "costs {} euro a year")
ADMIN = "an administrator's key"


@dataclass(frozen=True)
class Paper:
    """A document of the world.

    Attributes:
        canaries: words that stand in its source alone, and in its text (its exact copies have the latter too).
    """

    source: str
    text: str
    canaries: tuple[str, str]

    @property
    def document_id(self) -> str:
        return short_id(self.source)


@dataclass
class World:
    """What a gateway is opened on, and what is true about it.

    Attributes:
        groups: source → groups, as they are now.
        callers: key → access.
    """

    workspace: Workspace
    papers: list[Paper]
    groups: dict[str, frozenset[str]]
    callers: dict[str, Access] = field(default_factory=dict)

    def readable(self, access: Access) -> list[Paper]:
        """Return what a caller may read."""
        return [paper for paper in self.papers if access.reads(self.groups[paper.source])]

    def secrets(self, access: Access) -> set[str]:
        """Return the canaries that a caller must not see."""
        known = {word for paper in self.readable(access) for word in paper.canaries}
        return {word for paper in self.papers for word in paper.canaries} - known


class EchoEngine:
    """Answers with its whole prompt."""

    model = "echo"
    base_sha256 = "a" * 64

    def stream(self, request: GenerationRequest) -> Iterator[str | Generation]:
        text = "\n".join(str(message["content"]) for message in request.messages)
        yield text
        yield Generation(text, "stop", len(text.split()), len(text.split()))

    def close(self) -> None:
        """Nothing to free."""


def make_papers(chance: random.Random, count: int) -> list[Paper]:
    """Return documents that say much the same in much the same words; every fifth is an exact copy of another."""
    papers: list[Paper] = []
    for number in range(count):
        name, word = f"qz{number:03d}s", f"qz{number:03d}t"
        if number % 5 == 4:
            original = chance.choice(papers)
            papers.append(Paper(f"copies/{name}.md", original.text, (name, original.canaries[1])))
            continue
        if number % 8 == 6:
            papers += make_versions(chance, f"qz{number:03d}v")
            continue
        lines = [f"# Manual {word}", "", f"The {word} series."]
        for _ in range(chance.randint(2, 6)):
            subject, fact = chance.choice(SUBJECTS), chance.choice(FACTS)
            lines += ["", f"The {subject} {word} {fact.format(chance.randint(2, 90))}. Note it in the log of the {subject}."]
        papers.append(Paper(f"manuals/{name}.md", "\n".join(lines) + "\n", (name, word)))
    return papers


def make_versions(chance: random.Random, name: str) -> list[Paper]:
    """Return two versions of one procedure, and what each abbreviates."""
    steps = [f"The {subject} is locked with a {name[:-1]}k key before work on the {subject} starts." for subject in SUBJECTS]
    found = []
    for revision, year in (("B", 2021), ("C", 2023)):
        word = f"{name}{revision.lower()}t"
        lines = [f"# Lockout of the crane, revision {revision}", f"Revision {revision}, {year}-03-14.", *steps]
        lines += [f"The Crane Lockout Board {word.upper()} (CLB) agrees after {chance.randint(2, 90)} hours: {word}."]
        source = f"procedures/{name}_rev_{revision}.md"
        found.append(Paper(source, "\n\n".join(lines) + "\n", (f"{name}_rev_{revision}", word)))
    return found


def make_world(folder: Path, chance: random.Random, count: int = 25, *, reader: str = "none") -> World:
    """Ingest documents with random groups, and give keys to callers with random groups."""
    workspace = create_workspace(folder / "space", "access")
    papers = make_papers(chance, count)
    for paper in papers:
        path = folder / "documents" / paper.source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(paper.text, encoding="utf-8")
    groups = {paper.source: some_groups(chance) for paper in papers}
    store = open_store(workspace)
    report = ingest_documents(workspace, store, [folder / "documents"])
    assert len(report.added) == len(papers), report
    for source, names in groups.items():
        set_document_groups(workspace, store, source, names)
    store.close()
    world = World(workspace, papers, groups)
    lines = ['name = "access"', "[serving]", f'reader = "{reader}"', f'api_key = "{ADMIN}"', "max_waiting = 100"]
    for number in range(6):
        key, names = f"key number {number}", sorted(some_groups(chance))
        lines += ["[[serving.keys]]", f'name = "caller-{number}"', f'hash = "{hash_key(key)}"', f"groups = {names}"]
        world.callers[key] = Access(f"caller-{number}", frozenset(names), adapters=False)
    (workspace.root / FILE_NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")
    world.workspace = Workspace(workspace.root)
    return world


def some_groups(chance: random.Random) -> frozenset[str]:
    """Return up to two groups, none for one in four."""
    return frozenset(chance.sample(GROUPS, chance.choice((0, 1, 1, 2))))


def open_echo(workspace: Workspace, store: Store, *, open_index: Callable[[], Retriever]) -> Assistant:
    """Open the real assistant before an engine that repeats its prompt."""
    registry = Registry(workspace, store)
    return Assistant(
        LazyRetriever(open_index),
        EchoEngine(),
        registry,
        store,
        workspace.settings,
        open_reader=reader_opener(registry, workspace.settings, workspace.index_folder),
        state=workspace.state,
    )


def gateway_of(world: World) -> FastAPI:
    """Return the gateway of a world."""
    return create_app(world.workspace, open_model=open_echo)


class Trials:
    """Sends random requests as random callers, and looks for canaries in what comes back.

    Attributes:
        sent: path → requests.
        given: (answer id, caller's name, what the caller said) of answers.
    """

    def __init__(self, world: World, client: TestClient, chance: random.Random, modes: Sequence[str]) -> None:
        self.world, self.client, self.chance, self.modes = world, client, chance, modes
        self.sent: dict[str, int] = {}
        self.given: list[tuple[str, str, str]] = []
        self.said: dict[str, list[dict[str, str]]] = {}
        paths = client.app.openapi()["paths"]  # type: ignore[attr-defined]
        self.endpoints = [(method.upper(), path) for path, methods in paths.items() for method in methods]

    def run(self) -> None:
        """Send one request and check its response."""
        key = self.chance.choice(list(self.world.callers))
        named = (self._search, self._chat, self._chat, self._list, self._read, self._feedback, self._look, self._regroup)
        self.chance.choice((*named, self._anything))(key)

    def _send(self, key: str, method: str, path: str, said: str = "", label: str = "", **options: object) -> str:
        """Send a request; ``said`` is what the caller said, whose words may come back."""
        access = self.world.callers[key]
        label = label or path.split("?")[0]
        for paper in self.world.papers:
            label = label.replace(paper.document_id, "ID")
        self.sent[f"{method} {label}"] = self.sent.get(f"{method} {label}", 0) + 1
        response = self.client.request(method, path, headers={"Authorization": f"Bearer {key}"}, **options)
        assert response.status_code < 500, response.text
        raw = response.text + str(dict(response.headers))
        leaked = [word for word in self.world.secrets(access) if word in raw and word not in said]
        assert not leaked, (access, method, path, options, leaked, response.text[:3000])
        for paper in self.world.papers:
            hidden = paper not in self.world.readable(access)
            assert not (hidden and paper.document_id in raw and paper.document_id not in path), (access, paper, response.text)
        return response.text

    def _question(self) -> str:
        paper, subject = self.chance.choice(self.world.papers), self.chance.choice(SUBJECTS)
        return self.chance.choice(
            (
                f"How often is the {subject} replaced?",
                f"What about the {subject} {paper.canaries[1]}?",
                f"{paper.canaries[1]} {paper.canaries[0]}",
                f"torque {subject} log euro months",
                "And how much does it cost?",
                "How is the crane locked out, and when does the CLB agree?",
            )
        )

    def _search(self, key: str) -> None:
        query = self._question()
        self._send(key, "POST", "/v1/search", query, json={"query": query, "k": self.chance.choice((1, 3, 20))})

    def _chat(self, key: str) -> None:
        mode, question = self.chance.choice(self.modes), self._question()
        history = self.said.get(key, [])[-4:] if self.chance.random() < 0.5 else []
        messages = [*history, {"role": "user", "content": question}]
        stream = self.chance.random() < 0.3
        body = {"model": mode, "messages": messages, "stream": stream}
        # Of an earlier answer only what the caller may still read may come back on its own; what they send is theirs.
        text = self._send(key, "POST", "/v1/chat/completions", str(messages), json=body)
        if not stream and '"answer_id"' in text:
            answer_id = text.split('"answer_id":"')[1].split('"')[0]
            self.given.append((answer_id, self.world.callers[key].name, str(messages)))
            self.said[key] = [*messages, {"role": "assistant", "content": "The documents say so."}]

    def _list(self, key: str) -> None:
        access, names, total, after = self.world.callers[key], [], 0, ""
        while True:
            page = self.client.get(
                "/v1/documents", params={"limit": 4, "after": after}, headers={"Authorization": f"Bearer {key}"}
            ).json()
            names += [item["source"] for item in page["data"]]
            total, after = page["total"], page["next"]
            if after is None:
                break
        expected = sorted(paper.source for paper in self.world.readable(access))
        assert (names, total) == (expected, len(expected))
        self._send(key, "GET", "/v1/documents?limit=200")

    def _read(self, key: str) -> None:
        paper, access = self.chance.choice(self.world.papers), self.world.callers[key]
        described = ("", "/text", "/text?start=3&end=9")
        others = ("/text?version=0", "/pages/1.png", "/chunks", "/versions", "/near-duplicates")
        path = self.chance.choice((*described, *others))
        visible = paper in self.world.readable(access)
        text = self._send(key, "GET", f"/v1/documents/{paper.document_id}{path}")
        if not visible:
            nothing = self._send(key, "GET", f"/v1/documents/0123456789abcdef{path}")
            assert text.replace(paper.document_id, "0123456789abcdef") == nothing
        elif path in described:
            assert paper.document_id in text
        elif path == "/chunks":
            # Of a copy whose original may not be read, both say what they would of a document that stands alone.
            document = json.loads(self._send(key, "GET", f"/v1/documents/{paper.document_id}"))
            assert json.loads(text)["total"] == document["chunks"]
            assert (document["chunks"] == 0) == (document["duplicate_of"] is not None)

    def _feedback(self, key: str) -> None:
        if not self.given:
            return
        answer_id, owner, said = self.chance.choice(self.given)
        body = {"answer_id": answer_id, "rating": self.chance.choice((1, -1)), "comment": "noted"}
        text = self._send(key, "POST", "/v1/feedback", json=body)
        mine = owner == self.world.callers[key].name
        explained = self._send(key, "GET", f"/v1/answers/{answer_id}", said)
        if not mine:
            nothing = self._send(key, "GET", f"/v1/answers/{'f' * 32}")
            assert explained.replace(answer_id, "f" * 32) == nothing
        assert ("feedback_id" in text) == mine
        if not mine:
            nothing = self._send(key, "POST", "/v1/feedback", json={**body, "answer_id": "f" * 32})
            assert text.replace(answer_id, "f" * 32) == nothing

    def _look(self, key: str) -> None:
        models = ("/v1/models", "/v1/models/best", "/v1/adapters", "/v1/evals", "/v1/evals/x", "/v1/key")
        self._send(key, "GET", self.chance.choice((*models, "/v1/folders", "/metrics", "/readyz")))
        paper = self.chance.choice(self.world.papers)
        refused = self.chance.choice(
            (
                ("DELETE", f"/v1/documents/{paper.document_id}", {}),
                ("PUT", f"/v1/documents/{paper.document_id}/groups", {"json": {"groups": []}}),
                ("POST", "/v1/documents", {"files": {"file": ("x.md", b"# X")}, "data": {"source": paper.source}}),
                ("POST", "/v1/adapters/a/rollback", {}),
                ("GET", "/v1/jobs", {}),
                ("POST", "/v1/jobs", {"json": {"kind": "ingest", "paths": [paper.source]}}),
                ("GET", f"/v1/trace/{paper.document_id}", {}),
                ("GET", "/v1/settings", {}),
                ("GET", "/v1/checks", {}),
                ("GET", "/v1/keys", {}),
                ("POST", "/v1/keys", {"json": {"name": "eve", "admin": True}}),
                ("DELETE", "/v1/keys/ann", {}),
            )
        )
        assert "for administrators" in self._send(key, refused[0], refused[1], **refused[2])

    def _anything(self, key: str) -> None:
        """Ask any endpoint, its places filled with what there is or is not; a hidden document is as one that is not there."""
        method, path = self.chance.choice(self.endpoints)
        paper = self.chance.choice(self.world.papers)
        there = self.chance.choice((paper.document_id, paper.source, "1", *(answer_id for answer_id, *_ in self.given[-1:])))
        options: dict[str, object] = {} if method == "GET" else {"json": {}}

        def ask(name: str) -> str:
            filled = re.sub(r"\{[^}]*\}", quote(name, safe=""), path)
            return self._send(key, method, filled, filled + name, label=path, **options).replace(name, "NAME")

        found = ask(there)
        if there in (paper.document_id, paper.source) and paper not in self.world.readable(self.world.callers[key]):
            # Numbers are refused by another sentence than names.
            nothing = ask("0123456789abcdef" if there == paper.document_id else paper.source.replace("qz", "zz"))
            assert found == nothing or "/metrics" in path, (method, path, there, found, nothing)

    def _regroup(self, key: str) -> None:
        """An administrator gives a document other groups; the next query goes by them."""
        if self.chance.random() < 0.7:
            return self._search(key)
        paper, names = self.chance.choice(self.world.papers), some_groups(self.chance)
        response = self.client.put(
            f"/v1/documents/{paper.document_id}/groups",
            json={"groups": sorted(names)},
            headers={"Authorization": f"Bearer {ADMIN}"},
        )
        assert response.json()["groups"] == sorted(names)
        self.world.groups[paper.source] = names
        return self._search(key)
