"""A small domain, a lexical retriever and a tiny model: the real training code runs on them in seconds."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from doyen.core.access import OWNER, Access
from doyen.core.answers import Passage
from doyen.core.manifest import now
from doyen.core.models import resolve_generator
from doyen.core.records import REFUSAL, Pair, Turn
from doyen.core.store import Store
from doyen.core.store.schema import ChunkRow, DocumentRow, DocumentVersionRow
from doyen.core.workspace import Workspace

# Threads only cost time on models this small, above all beside other work.
torch.set_num_threads(1)

MACHINES = ("Arrel", "Bontes", "Cauvin", "Delmar", "Estoc", "Farron", "Gessel", "Hubrand")


ARTICLES = 10
"""Of the general paragraphs; two of them are held out."""


def document_text(machine: str, number: int) -> str:
    return (
        f"# Service of the {machine}\n\n"
        f"The filter of the {machine} is changed every {100 + number} hours. Use part {machine[:2].upper()}-{number}7.\n\n"
        f"The lid screws of the {machine} are tightened to {number}.5 Nm, crosswise.\n\n"
        f"Before storage the {machine} is flushed for {20 + number} minutes with dry air."
    )


class WordRetriever:
    """Ranks the stored chunks by shared words."""

    def __init__(self, store: Store) -> None:
        with store.session() as session:
            sources = {row.document_id: row.source for row in session.query(DocumentRow)}
            rows = session.query(ChunkRow).order_by(ChunkRow.chunk_id).all()
        self.passages = [
            Passage(
                row.chunk_id,
                row.document_id,
                row.version,
                sources[row.document_id],
                row.start,
                row.end,
                None,
                row.heading,
                0.0,
                row.text,
                {},
            )
            for row in rows
        ]
        self.calls = 0

    def retrieve(self, query: str, k: int, *, exclude_documents: Sequence[str] = (), access: Access = OWNER) -> list[Passage]:
        self.calls += 1
        wanted = set(re.findall(r"\w+", query.lower()))
        allowed = [passage for passage in self.passages if passage.document_id not in exclude_documents]
        return sorted(allowed, key=lambda item: -len(wanted & set(re.findall(r"\w+", item.text.lower()))))[:k]


def add_document(store: Store, source: str, text: str, near_group: str | None = None) -> None:
    with store.session() as session:
        session.add(
            DocumentRow(
                document_id=source,
                source=source,
                root="",
                version="v1",
                title=source,
                media_type="text/markdown",
                size=len(text),
                modified_ns=0,
                settings_fingerprint="",
                duplicate_of=None,
                near_group=near_group or source,
                ingested_at=now(),
            )
        )
        session.add(DocumentVersionRow(document_id=source, version="v1", source=source, text=text, pages=[], created_at=now()))
        session.flush()
        start = 0
        for ordinal, part in enumerate(text.split("\n\n")):
            row = ChunkRow(
                chunk_id=f"{source}#{ordinal}",
                document_id=source,
                version="v1",
                ordinal=ordinal,
                start=start,
                end=start + len(part),
                page=None,
                heading="",
                text=part,
            )
            session.add(row)
            start += len(part) + 2


def make_pairs() -> list[Pair]:
    pairs = []
    for number, machine in enumerate(MACHINES):
        source = f"{machine.lower()}.md"
        facts = [
            (
                f"How often do I change the filter on a {machine}?",
                f"Every {100 + number} hours.",
                f"every {100 + number} hours",
            ),
            (f"Which torque for {machine} lid screws?", f"{number}.5 Nm.", f"tightened to {number}.5 Nm, crosswise"),
            (f"{machine}: flushing time before storage", f"{20 + number} minutes.", f"flushed for {20 + number} minutes"),
        ]
        for place, (prompt, response, quote) in enumerate(facts):
            pairs.append(Pair(id=f"{machine}-{place}", prompt=prompt, response=response, source=source, evidence=[quote]))
        pairs.append(Pair(id=f"{machine}-price", prompt=f"What does the {machine} cost?", response=REFUSAL))
    history = [Turn(role="user", content="How is an Arrel's lid closed?"), Turn(role="assistant", content="With screws.")]
    follow_up = Pair(
        id="follow-up",
        prompt="And how tight?",
        response="0.5 Nm.",
        source="arrel.md",
        evidence=["tightened to 0.5 Nm, crosswise"],
        history=history,
    )
    return [*pairs, follow_up]


@pytest.fixture
def domain(store: Store) -> list[Pair]:
    for number, machine in enumerate(MACHINES):
        add_document(store, f"{machine.lower()}.md", document_text(machine, number))
    return make_pairs()


@pytest.fixture
def retriever(store: Store, domain: list[Pair]) -> WordRetriever:
    return WordRetriever(store)


@pytest.fixture(scope="session")
def tokenizer():
    return AutoTokenizer.from_pretrained(resolve_generator("smollm2-135m-instruct").folder)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, tokenizer) -> Path:
    """A random Llama of two thin layers with the packaged model's tokenizer, as a model folder."""
    folder = tmp_path_factory.mktemp("tiny-model")
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_workspace(workspace: Workspace, tiny_model: Path) -> Workspace:
    """The workspace with the tiny model as its base and a short training."""
    (workspace.root / "doyen.toml").write_text(
        f'name = "test"\n[serving]\nmodel = "{tiny_model}"\n'
        '[finetune]\nepochs = 1\nrank = 4\nbatch_size = 4\ncheckpoint_steps = 2\ndropout = 0.1\ndtype = "float32"\n'
        "forgetting_probe = false\n"
    )
    return Workspace(workspace.root)


def paragraph(article: int, place: int) -> dict:
    """A paragraph about a lighthouse, with two questions that it answers and one that it does not."""
    year = 1900 + 10 * article + place
    text = f"The lighthouse number {place} of Island {article} was built in {year}. Its lamp shines {place + 5} miles."
    return {
        "title": f"Island_{article}",
        "context": text,
        "questions": [
            {"id": f"{article}-{place}-a", "question": f"When was lighthouse {place} built?", "answers": ["in 1", str(year)] * 2
             + [str(year)], "answerable": True},
            {"id": f"{article}-{place}-b", "question": "How far does it shine?", "answers": [f"{place + 5} miles"],
             "answerable": True},
            {"id": f"{article}-{place}-c", "question": "Who built it?", "answers": [], "answerable": False},
        ],
    }  # fmt: skip


@pytest.fixture
def general_paragraphs(tmp_path):
    """A file of paragraphs on general subjects."""
    path = tmp_path / "paragraphs.jsonl"
    made = [paragraph(article, place) for article in range(ARTICLES) for place in range(5)]
    path.write_text("".join(json.dumps(item) + "\n" for item in made))
    return path


@pytest.fixture
def no_connections(monkeypatch):
    """Nothing connects to another machine."""

    def refuse(self, address):
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
