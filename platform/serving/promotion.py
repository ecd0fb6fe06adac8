"""Promoting an adapter: its report opens the gate, or a person overrides it and says why."""

from __future__ import annotations

from pathlib import Path

from doyen.core.errors import InputError, NotFoundError
from doyen.core.progress import Reporter
from doyen.core.store import Store
from doyen.core.store.schema import EMBEDDER
from doyen.core.workspace import Workspace
from doyen.eval.gate import Verdict, judge_report, read_rules, require_gate
from doyen.eval.report import Report, load_report
from doyen.finetune.adapter_lineage import unseen_questions
from doyen.finetune.registry import HEADS, Adapter, Registry
from doyen.platform.serving.embedder_promotion import (
    promote_embedder,
    refuse_report,
    require_better,
    roll_back_embedder,
)
from doyen.platform.serving.head_promotion import require_better_head


def promote_adapter(
    workspace: Workspace,
    store: Store,
    reference: str,
    *,
    report: Path | None,
    by: str,
    override: str | None = None,
    reporter: Reporter | None = None,
) -> Adapter:
    """Promote an adapter, and keep in the registry who did it, on which report, and why against the gate.

    An embedder is judged by its validation pairs instead of a report, and the index is made with it (`promote_embedder`). A
    head is asked anew, beside the one that it replaces (`require_better_head`).

    Args:
        report: folder of the report that speaks for it; may be left out with ``override``.
        by: who promotes.
        override: the reason for promoting whatever the report says; None asks the gate.
        reporter: shows how an index is built.

    Raises:
        InputError: neither a report nor a reason is given, or the reason is blank.
        NotFoundError: there is no such adapter or report.
        StateError: the gate is closed; the message has a line for each rule.
    """
    registry = Registry(workspace, store)
    adapter = registry.get(reference)
    if override is not None and not override.strip():
        raise InputError("promoting against the gate needs a reason: write why")
    grounds = {"by": by, "report": report.name if report else None, "reason": override.strip() if override else None}
    if adapter.kind == EMBEDDER:
        refuse_report(adapter, report)
        if override is None:
            require_better(adapter)
        return promote_embedder(workspace, store, adapter, grounds, reporter)
    if adapter.kind in HEADS:
        refuse_report(adapter, report)
        if override is None:
            require_better_head(workspace, store, adapter)
        return registry.promote(adapter.ref, grounds)
    if override is None:
        if report is None:
            raise InputError(
                "name the report that speaks for this adapter (made by `doyen eval run`), or give a reason to do without"
            )
        excluded = unseen_questions(workspace, registry, adapter)
        rules = read_rules(workspace.settings, adapter.kind)
        require_gate(load_report(report), adapter, excluded, rules, workspace.settings.eval.gate)
    return registry.promote(adapter.ref, grounds)


def roll_back_adapter(workspace: Workspace, store: Store, name: str, reporter: Reporter | None = None) -> Adapter:
    """Go back to the version that was promoted before; of an embedder the index goes back, too (`roll_back_embedder`).

    Raises:
        NotFoundError: there is no adapter of this name.
        StateError: no version was promoted before.
    """
    registry = Registry(workspace, store)
    if registry.get(name).kind == EMBEDDER:
        return roll_back_embedder(workspace, store, name, reporter)
    return registry.rollback(name)


def judge_own(workspace: Workspace, store: Store, report: Report) -> list[Verdict]:
    """Return what the rules for promotion say of a report and the adapter that this workspace has under its name.

    A report about no adapter of the generator is judged as one about its reader.
    """
    registry = Registry(workspace, store)
    adapter = _own_adapter(registry, report)
    excluded = unseen_questions(workspace, registry, adapter) if adapter else None
    rules = read_rules(workspace.settings, adapter.kind) if adapter else read_rules(workspace.settings)
    return judge_report(report, excluded, rules, adapter=adapter, forgetting=workspace.settings.eval.gate)


def _own_adapter(registry: Registry, report: Report) -> Adapter | None:
    reference = report.data.get("adapter") or report.data.get("reader")
    try:
        return registry.get(reference) if reference is not None else None
    except NotFoundError:
        return None
