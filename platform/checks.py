"""Is everything in order? The checks behind ``doyen doctor`` and ``GET /v1/checks``."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from doyen.core.errors import DoyenError
from doyen.core.redaction import redact

if TYPE_CHECKING:
    from doyen.platform.app import Doyen

LOW_DISK_GB = 2


@dataclass(frozen=True)
class Check:
    """What one check found."""

    name: str
    ok: bool
    detail: str


def check_packaged_models() -> list[Check]:
    """Verify the sha256 of all packaged models and prepare the generator for training."""
    from doyen.core.models import PACKAGED_EMBEDDERS, PACKAGED_GENERATORS, verify_again

    verify_again()
    embedders = [_attempt(f"model {name}", partial(_embedder, name)) for name in PACKAGED_EMBEDDERS]
    generators = [_attempt(f"model {name}", partial(_generator, name)) for name in PACKAGED_GENERATORS]
    return embedders + generators


def check_workspace(doyen: Doyen) -> list[Check]:
    """Run all checks of a workspace; none of them stops the others."""
    settings = doyen.workspace.settings
    checks = [
        Check("workspace", True, str(doyen.workspace.root)),
        _attempt("embedder", partial(_embedder, settings.retrieval.embedder)),
        _attempt("database", partial(_database, doyen)),
        _attempt("purges", partial(_purges, doyen)),
        _attempt("offsets", partial(_offsets, doyen)),
        _attempt("index", partial(_index, doyen)),
        _attempt("adapters", partial(_adapters, doyen)),
        _attempt("reader", partial(_reader, doyen)),
        _attempt("disk", partial(_disk, doyen)),
    ]
    if settings.serving.engine in {"llamacpp", "transformers"}:
        checks.append(_attempt("generator", partial(_generator, settings.serving.model)))
        checks.append(_attempt("reading adapter", partial(_reading_adapter, doyen)))
    else:
        place = settings.serving.openai_url if settings.serving.engine == "openai" else f"engine {settings.serving.engine!r}"
        checks.append(Check("generator", True, redact(f"{settings.serving.model} at {place}")))
    if settings.annotation.label_studio_url:
        checks.append(_attempt("label studio", partial(_label_studio, doyen)))
    return checks


def _attempt(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except DoyenError as error:
        return Check(name, False, str(error))


def _embedder(name: str) -> str:
    from doyen.core.models import resolve_embedder

    return f"sha256 {resolve_embedder(name)[1][:12]}…"


def _generator(name: str) -> str:
    from doyen.core.models import resolve_generator

    return f"sha256 {resolve_generator(name).sha256[:12]}…"


def _offsets(doyen: Doyen) -> str:
    from doyen.ingestion.check import check_offsets

    problems = check_offsets(doyen.store)
    if problems:
        raise DoyenError(f"{len(problems)} problem(s), the first: {problems[0]}: run `doyen ingest` again")
    return "every chunk equals its stretch of its document"


def _index(doyen: Doyen) -> str:
    from doyen.retrieval.index import check_index
    from doyen.retrieval.index_manifest import REPAIR

    if problems := check_index(doyen.workspace, doyen.store):
        raise DoyenError(f"{'; '.join(problems)}: {REPAIR}")
    return f"{doyen.retriever.n_chunks} chunks"


def _database(doyen: Doyen) -> str:
    from doyen.core.store.database import RESTORE

    if problem := doyen.store.check():
        raise DoyenError(f"the database is damaged ({problem}): {RESTORE}")
    return "sound"


def _purges(doyen: Doyen) -> str:
    from doyen.ingestion.removal import pending_purges

    if pending := pending_purges(doyen.store):
        raise DoyenError(
            f"text of {len(pending)} purged document(s) is still in files here: run `doyen remove --purge {' '.join(pending)}`"
        )
    return "none pending"


def _adapters(doyen: Doyen) -> str:
    adapters = doyen.adapters.list()
    missing = [adapter.ref for adapter in adapters if not adapter.has_weights]
    if missing:
        raise DoyenError(f"files of {', '.join(missing)} are gone: delete them with `doyen adapters delete`, or train again")
    return ", ".join(f"{adapter.ref} ({adapter.stage})" for adapter in adapters) or "none yet"


def _reader(doyen: Doyen) -> str:
    from doyen.platform.serving.reading import GENERAL, NONE, find_reader, reader_identity

    settings = doyen.workspace.settings.serving
    found = find_reader(doyen.adapters, settings.reader)
    identity = reader_identity(doyen.adapters, settings)
    return f"{found.ref if found else GENERAL}, {identity[:12]}…" if identity else f"{NONE}: nothing is read"


def _reading_adapter(doyen: Doyen) -> str:
    from doyen.core.models import resolve_generator
    from doyen.finetune.reading_adapter import NONE, find_reading_adapter

    settings = doyen.workspace.settings
    base = resolve_generator(settings.serving.model).sha256
    wanted = settings.serving.reader_adapter, settings.finetune.start_from
    found = [find_reading_adapter(doyen.adapters, lambda adapter: adapter.base_sha256 == base, each) for each in wanted]
    served, start = [adapter.ref if adapter else NONE for adapter in found]
    return f"{served} serves, trainings start from {start}"


def _disk(doyen: Doyen) -> str:
    free = shutil.disk_usage(doyen.workspace.root).free / 1e9
    if free < LOW_DISK_GB:
        raise DoyenError(f"only {free:.1f} GB free: training needs about {LOW_DISK_GB} GB")
    return f"{free:.0f} GB free"


def _label_studio(doyen: Doyen) -> str:
    from doyen.annotation.projects import connect
    from doyen.annotation.store import list_projects

    found = []
    for project in list_projects(doyen.store):
        connection = connect(doyen.workspace, doyen.store, project.name)
        count = connection.backend.count_tasks(connection.external_id)
        found.append(f"{project.name}: {count} tasks at {redact(connection.backend.location)}")
    return ", ".join(found) or "no project yet: make one with `doyen annotate create`"
