"""Which adapters something rests on, and why: these are never collected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import select

from doyen.core.errors import IncompatibleError, NotFoundError, StateError, StorageError
from doyen.core.jobs import ENDED
from doyen.core.manifest import fingerprint
from doyen.core.report_files import read_figures, report_folders
from doyen.core.settings import Settings
from doyen.core.store import Store
from doyen.core.store.schema import PRODUCTION, JobRow
from doyen.core.workspace import Workspace
from doyen.finetune.registry import STAGING, Adapter, Registry
from doyen.retrieval.index_manifest import tuned_embedder_of

Note = Callable[[str, str], None]
"""Called with "name:version" and a reason."""


def adapters_in_use(workspace: Workspace, store: Store) -> dict[str, list[str]]:
    """Return the reasons why each adapter is in use, by "name:version"; those that are not there are not.

    In use are: what is in production or staging, what a rollback would bring back, the newest of each name, parents of others,
    what a report measured, and what the settings, the index or a job name.
    """
    registry = Registry(workspace, store)
    adapters = registry.list()
    known = {adapter.ref for adapter in adapters}
    reasons: dict[str, list[str]] = defaultdict(list)

    def note(reference: str, reason: str) -> None:
        if reference in known and reason not in reasons[reference]:
            reasons[reference].append(reason)

    _note_stages(registry, adapters, note)
    for adapter in adapters:
        note(str(adapter.manifest.get("parent")), f"parent of {adapter.ref}")
    _note_reports(workspace, adapters, note)
    _note_settings(registry, workspace.settings, note)
    if tuned := tuned_embedder_of(workspace.index_folder):
        note(tuned, "the index is made with it")
    _note_jobs(registry, store, note)
    return {reference: told for reference, told in reasons.items() if told}


def _note_stages(registry: Registry, adapters: list[Adapter], note: Note) -> None:
    for adapter in adapters:
        if adapter.stage in {PRODUCTION, STAGING}:
            note(adapter.ref, f"in {adapter.stage}")
    for name in {adapter.name for adapter in adapters}:
        newest = max((adapter for adapter in adapters if adapter.name == name), key=lambda adapter: adapter.version)
        note(newest.ref, f"the newest of {name!r}")
        with suppress(StateError):
            if before := registry.before(name):
                note(before.ref, f"a rollback of {name!r} brings it back")


def _note_reports(workspace: Workspace, adapters: list[Adapter], note: Note) -> None:
    # Of the general reading adapter a report keeps this alone.
    by_hash = {fingerprint([adapter.ref, adapter.manifest.get("fingerprint")]): adapter.ref for adapter in adapters}
    for name, folder in report_folders(workspace.reports_folder).items():
        with suppress(NotFoundError, StorageError):
            data = read_figures(folder)
            reading = by_hash.get(data["manifest"].get("inputs", {}).get("reading_adapter"))
            for measured in (data.get("adapter"), data.get("reader"), reading):
                note(str(measured), f"measured by report {name!r}")


def _note_settings(registry: Registry, settings: Settings, note: Note) -> None:
    named = {
        "serving.reader": settings.serving.reader,
        "serving.reader_adapter": settings.serving.reader_adapter,
        "finetune.start_from": settings.finetune.start_from,
    }
    for key, reference in named.items():
        with suppress(NotFoundError, IncompatibleError):
            if reference:
                note(registry.get(reference).ref, f"named by {key}")


def _note_jobs(registry: Registry, store: Store, note: Note) -> None:
    with store.session() as session:
        waiting = [row for row in session.scalars(select(JobRow)) if row.state not in ENDED]
        named = [(row.job_id, row.arguments.get("adapter")) for row in waiting]
    for job, reference in named:
        with suppress(NotFoundError):
            if isinstance(reference, str):
                note(registry.get(reference).ref, f"named by job {job}")
