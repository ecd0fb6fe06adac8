"""A small company's documents, indexed once with the real embedder and the real Chroma."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.company import DOCUMENTS, write_documents

from doyen.core.store import Store, open_store
from doyen.core.workspace import Workspace, create_workspace
from doyen.platform.documents import ingest_documents
from doyen.retrieval.chosen import open_retriever
from doyen.retrieval.hybrid import HybridRetriever


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Store]]:
    """A workspace with all documents indexed; tests must not change it."""
    root = tmp_path_factory.mktemp("company")
    workspace = create_workspace(root / "space", "company")
    store = open_store(workspace)
    report = ingest_documents(workspace, store, [write_documents(root / "documents", DOCUMENTS)])
    assert len(report.added) == len(DOCUMENTS), report
    yield workspace, store
    store.close()


@pytest.fixture(scope="session")
def retriever(company: tuple[Workspace, Store]) -> HybridRetriever:
    return open_retriever(*company)
