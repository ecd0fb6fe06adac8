"""General reading for the generator: which adapter teaches a base model to answer from passages.

A small generator with the right passage in its prompt still fails to take the answer from it (arXiv 2603.11513). It learns
to on encyclopaedia paragraphs (`doyen.finetune.train_general_reading`), and adapters of a domain go on from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from doyen.core.errors import IncompatibleError, NotFoundError
from doyen.finetune.registry import CANDIDATE, GENERAL_READING, PRODUCTION, Adapter, Registry

GENERAL_ADAPTER = Path(__file__).parent / "general_adapter"
"""PEFT folder of the adapter that comes with Doyen; its manifest names the base model."""
NAME = "general-reading"
GENERAL, NONE = "general", "none"
"""Values of ``finetune.start_from`` and ``serving.reader_adapter``: the general reading adapter, and no adapter."""


def find_reading_adapter(registry: Registry, fits: Callable[[Adapter], bool], wanted: str | None) -> Adapter | None:
    """Return the adapter that ``finetune.start_from`` or ``serving.reader_adapter`` stands for.

    Args:
        fits: whether an adapter was trained on the base model in question.
        wanted: "name" or "name:version"; "none"; "general" or None for the general reading adapter of this base that is
            promoted, else the newest, else the shipped one.

    Returns:
        None where none is wanted, or where None was given and there is none for this base.

    Raises:
        IncompatibleError: it was trained on another base model.
        NotFoundError: there is no such adapter.
    """
    if wanted == NONE:
        return None
    shipped = shipped_adapter()
    if wanted and wanted != GENERAL:
        try:
            found = shipped if shipped and wanted == shipped.ref else registry.get(wanted)
        except NotFoundError as error:
            raise NotFoundError(f"finetune.start_from or serving.reader_adapter names no adapter: {error}") from error
        if not found.of_generator or not fits(found):
            raise IncompatibleError(f"{found.ref!r} is no adapter of this base model: name another one, or {NONE!r}")
        return found
    trained = [adapter for adapter in registry.list(kind=GENERAL_READING) if adapter.has_weights and fits(adapter)]
    if trained:
        return max(trained, key=lambda adapter: (adapter.stage == PRODUCTION, adapter.created_at, adapter.version))
    if shipped and fits(shipped):
        return shipped
    if wanted == GENERAL:
        raise IncompatibleError(
            "there is no general reading adapter of this base model: train one with `doyen train --general-reading "
            f"PARAGRAPHS`, or set {NONE!r}"
        )
    return None


def shipped_adapter() -> Adapter | None:
    """Return the adapter that comes with Doyen; version 0 of its name."""
    manifest_file = GENERAL_ADAPTER / "manifest.json"
    if not manifest_file.is_file():
        return None
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    base = manifest["inputs"]["base"]
    return Adapter(NAME, 0, GENERAL_ADAPTER, manifest["base_model"], base, CANDIDATE, "", manifest)
