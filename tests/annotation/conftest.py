"""A real Label Studio server for the tests, and workspaces with documents."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.label_studio import ENVIRONMENT, LabelStudioServer, is_installed, running_server
from support.required import require

from doyen.annotation.labelstudio.client import LabelStudioBackend
from doyen.core.manifest import now
from doyen.core.store import Store, open_store
from doyen.core.store.schema import ChunkRow, DocumentRow, DocumentVersionRow
from doyen.core.workspace import Workspace, create_workspace

TEXT = (
    "Sample pump\n\nThe sample pump PN 410-778 must be replaced every 4,000 operating hours.\r\n"
    "The flow is 1.2 L/min 😀 at 20 °C. Use only membrane kit MK-7.\n\n"
    "Cafe\u0301 staff never open the pump. Call the service desk when code E-41 returns.\n"
)
SECOND = "Heated line\n\nThe heated line runs at 180 °C and is inspected twice a year.\n"


@pytest.fixture(scope="session")
def label_studio() -> Iterator[LabelStudioServer]:
    """A running server with three people, on a copy of the template."""
    remedy = f"no Label Studio in {ENVIRONMENT}: run `make .venv-labelstudio` or set DOYEN_LABEL_STUDIO_ENV"
    require(is_installed(), "LABEL_STUDIO", remedy)
    with running_server() as server:
        yield server


@pytest.fixture
def remote(tmp_path: Path, label_studio: LabelStudioServer) -> Workspace:
    """A workspace whose settings name the server."""
    workspace = create_workspace(tmp_path / "remote", "test")
    with (workspace.root / "doyen.toml").open("a") as settings:
        token = label_studio.tokens["lead@example.com"]["token"]
        settings.write(f'\n[annotation]\nlabel_studio_url = "{label_studio.url}"\nlabel_studio_api_key = "{token}"\n')
    return workspace


@pytest.fixture
def remote_store(remote: Workspace) -> Iterator[Store]:
    """The database of ``remote``, with documents."""
    opened = open_store(remote)
    add_document(opened, "manual.md", TEXT, cuts=(0, 13, len(TEXT)))
    add_document(opened, "lines.md", SECOND, cuts=(0, len(SECOND)))
    yield opened
    opened.close()


@pytest.fixture
def filled(store: Store) -> Store:
    """The database of ``workspace``, with documents."""
    add_document(store, "manual.md", TEXT, cuts=(0, 13, len(TEXT)))
    add_document(store, "lines.md", SECOND, cuts=(0, len(SECOND)))
    return store


def add_document(store: Store, source: str, text: str, *, cuts: tuple[int, ...]) -> None:
    """Store a document with chunks between the cuts, as an ingestion would."""
    with store.session() as session:
        session.add(
            DocumentRow(
                document_id=f"doc-{source}",
                source=source,
                root="",
                version="v1",
                title=source,
                media_type="text/markdown",
                size=len(text),
                modified_ns=0,
                settings_fingerprint="",
                duplicate_of=None,
                near_group=source,
                ingested_at=now(),
            )
        )
        session.add(
            DocumentVersionRow(document_id=f"doc-{source}", version="v1", source=source, text=text, pages=[], created_at=now())
        )
        session.flush()
        for ordinal, (start, end) in enumerate(pairwise(cuts)):
            session.add(
                ChunkRow(
                    chunk_id=f"{source}-{ordinal}",
                    document_id=f"doc-{source}",
                    version="v1",
                    ordinal=ordinal,
                    start=start,
                    end=end,
                    page=None,
                    heading="Sample pump",
                    text=text[start:end],
                )
            )


def backend_of(workspace: Workspace) -> LabelStudioBackend:
    """Return a direct connection to the workspace's server."""
    settings = workspace.settings.annotation
    assert settings.label_studio_url
    return LabelStudioBackend(settings.label_studio_url, settings.label_studio_api_key.get_secret_value())
