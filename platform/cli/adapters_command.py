"""``doyen adapters …``: the registry of adapters."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.platform.cli.session import CliSession, with_session

if TYPE_CHECKING:
    from doyen.finetune.registry import Adapter

app = typer.Typer(help="Adapters: list, show, probe, stage, promote, roll back, export, import.", no_args_is_help=True)

READER_HINT = (
    "How likely passages answer was measured with the embedder before, so that nothing is refused now:\n"
    "train a reader with `doyen train DATASET --reader` to have questions refused that the documents do not answer."
)

ReferenceArgument = Annotated[str, typer.Argument(help="name:version, as `doyen adapters list` shows it, or name:staging.")]


@app.command("list")
@with_session
def list_(session: CliSession) -> None:
    """List all adapters, with what their trainings changed of general answers."""
    from doyen.finetune.forgetting import forgetting_change

    adapters = session.doyen.adapters.list()
    shown = [
        {
            **{"adapter": a.ref, "kind": a.kind, "stage": a.stage, "base_model": a.base_model},
            **{"dataset": a.dataset_id, "folder": str(a.folder), "forgetting": forgetting_change(a)},
        }
        for a in adapters
    ]
    lines = [f"{a.ref:<20} {a.kind:<16} {a.stage:<10} {a.base_model}  dataset {a.dataset_id}{_forgot(a)}" for a in adapters]
    session.emit(shown, "\n".join(lines) or "No adapters yet: train one with `doyen train DATASET`.")


@app.command()
@with_session
def show(session: CliSession, adapter: Annotated[str, typer.Argument(help="name, name:version or name:staging.")]) -> None:
    """Show an adapter's card: what it was made from, settings, cost, what reports found, and what rests on it."""
    from doyen.finetune.model_card import card_text
    from doyen.platform.adapters.adapter_card import card_json

    found, facts = session.doyen.adapter_card(adapter)
    session.emit(card_json(found, facts), card_text(found, facts).split("---\n\n", 1)[1])


def _forgot(adapter: Adapter) -> str:
    from doyen.finetune.forgetting import forgetting_change

    change = forgetting_change(adapter)
    if change is None:
        return ""
    interval = "" if change["low"] is None else f" ({change['low']:+.3f} to {change['high']:+.3f})"
    return f"  general answers {change['delta']:+.3f}{interval}"


@app.command()
@with_session
def probe(session: CliSession, adapter: ReferenceArgument) -> None:
    """Probe what a version's training made the model forget, where it was trained without or imported."""
    from doyen.finetune.forgetting import FORGETTING, describe_forgetting

    probed = session.doyen.probe_adapter(adapter)
    entry = probed.manifest[FORGETTING]
    session.emit({"adapter": probed.ref, FORGETTING: entry}, f"{probed.ref}: {describe_forgetting(entry)}.")


@app.command()
@with_session
def gc(
    session: CliSession,
    remove: Annotated[bool, typer.Option("--yes", help="Delete the files; without it, only what would go is shown.")] = False,
) -> None:
    """Delete adapters that nothing rests on: not in production or staging, no parent, in no report, not the newest."""
    found = session.doyen.collect_adapters(remove=remove)
    lines = [f"{reference:<20} {size / 1e6:.1f} MB" for reference, size in found.removable.items()]
    lines += [f"{reference:<20} stays: {'; '.join(reasons)}" for reference, reasons in found.kept.items()]
    if found.removable:
        lines.append(
            f"{found.bytes / 1e6:.1f} MB " + ("are freed." if remove else "would be freed: `doyen adapters gc --yes`.")
        )
    else:
        lines.append("Nothing to collect.")
    session.emit(found.to_json(), "\n".join(lines))


@app.command("export")
@with_session
def export_(
    session: CliSession,
    adapter: Annotated[str, typer.Argument(help="name, name:version or name:staging.")],
    out: Annotated[Path, typer.Option(help="A new folder.")],
    form: Annotated[str, typer.Option("--format", help="peft, merged, gguf, gguf-merged or ollama.")] = "peft",
) -> None:
    """Write an adapter for other tools; what was written is loaded and must act as the adapter does."""
    made = session.doyen.export_adapter(adapter, form, out)
    probe = f"{made.effect.n} next tokens: the effect is {made.effect.expected:.2f}, off by {made.effect.difference:.3f}"
    session.emit(made.to_json(), f"{made.adapter} is in {made.folder}: {', '.join(made.files)}.\nProbe of {probe}.")


@app.command("import")
@with_session
def import_(
    session: CliSession,
    folder: Annotated[Path, typer.Argument(help="PEFT folder with adapter_model.safetensors.")],
    name: Annotated[str, typer.Option(help="Name of the adapter.")],
    other_base_name: Annotated[
        bool, typer.Option("--other-base-name", help="It names its base otherwise than serving.model, and means the same.")
    ] = False,
) -> None:
    """Register a LoRA adapter that was trained elsewhere: base and shapes are checked, and that it acts."""
    made = session.doyen.import_adapter(folder, name, other_base_name=other_base_name)
    text = f"{made.ref} is registered ({made.stage}).\nNext: doyen eval run --adapter {made.ref}"
    session.emit({"adapter": made.ref, "stage": made.stage, "manifest": made.manifest}, text)


@app.command()
@with_session
def stage(session: CliSession, adapter: ReferenceArgument) -> None:
    """Put a version into staging, where `name:staging` names it until it is promoted or another one is staged."""
    staged = session.doyen.stage(adapter, by=getpass.getuser())
    text = f"{staged.ref} is in staging.\nNext: doyen ask QUESTION --adapter {staged.name}:staging"
    session.emit({"adapter": staged.ref, "stage": staged.stage}, text)


@app.command()
@with_session
def promote(
    session: CliSession,
    adapter: ReferenceArgument,
    report: Annotated[Path | None, typer.Option(help="Folder of the report that speaks for it; its gate must be open.")] = None,
    force: Annotated[
        str | None, typer.Option("--force", metavar="REASON", help="Promote without a report, or against it; say why.")
    ] = None,
) -> None:
    """Put a version into production, where its bare name stands for it; the previous one is retired and can come back."""
    from doyen.core.store.schema import EMBEDDER

    promoted = session.doyen.promote(adapter, report=report, by=getpass.getuser(), override=force)
    text = f"{promoted.ref} is promoted."
    if promoted.kind == EMBEDDER:
        text += f" The index is made with it, and the one before kept.\n{READER_HINT}"
    session.emit({"adapter": promoted.ref, "stage": promoted.stage}, text)


@app.command()
@with_session
def rollback(session: CliSession, name: Annotated[str, typer.Argument(help="Name of the adapter.")]) -> None:
    """Go back to the version that was promoted before; with an embedder the index goes back, too."""
    from doyen.core.store.schema import PRODUCTION

    promoted = session.doyen.rollback(name)
    settled = promoted.ref if promoted.stage == PRODUCTION else f"the embedder of the settings; {promoted.ref} is retired"
    session.emit({"adapter": promoted.ref, "stage": promoted.stage}, f"Back to {settled}.")


@app.command()
@with_session
def delete(session: CliSession, adapter: ReferenceArgument) -> None:
    """Delete a version that is not promoted."""
    session.doyen.adapters.delete(adapter)
    session.emit({"deleted": adapter}, f"{adapter} is deleted.")
