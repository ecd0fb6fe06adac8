"""``doyen keys``: who may use the gateway, and which documents they may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from doyen.platform.cli.session import CliSession, with_session

if TYPE_CHECKING:
    from doyen.core.settings import KeySettings

app = typer.Typer(help="Keys of the gateway and the chat: who may use them, and read which documents.", no_args_is_help=True)


@app.command()
@with_session
def add(
    session: CliSession,
    name: Annotated[str, typer.Argument(help="Of the person or application; the chat's user name.")],
    groups: Annotated[str, typer.Option(help="Groups whose documents the key may read, parted by commas.")] = "",
    admin: Annotated[
        bool, typer.Option("--admin", help="Read everything, and change documents, their groups and the promoted adapters.")
    ] = False,
    adapters: Annotated[
        bool, typer.Option("--adapters", help="Ask adapters too: they can repeat what they were trained on.")
    ] = False,
    labels: Annotated[
        bool, typer.Option("--labels", help="Label in projects too: tasks show texts of documents, whatever their groups.")
    ] = False,
) -> None:
    """Make a key and show it, this once: doyen.toml gets its hash alone. A running gateway knows it at once."""
    from doyen.platform.serving.keys import add_key

    named = [group.strip() for group in groups.split(",") if group.strip()]
    made = add_key(session.doyen.workspace, name, named, admin=admin, adapters=adapters, labels=labels)
    shown = {"name": name, "key": made, "groups": named, "admin": admin, "adapters": adapters, "labels": labels}
    session.emit(shown, f"{made}\nThis is the key of {name}. It is stored nowhere: keep it now.")


@app.command("list")
@with_session
def show(session: CliSession) -> None:
    """List the keys by name."""
    keys = session.doyen.settings.serving.keys
    shown = [key.model_dump(exclude={"hash"}) for key in keys]
    lines = [f"{key.name}: {_may(key)}" for key in keys]
    session.emit(shown, "\n".join(lines) or "There are no keys yet: make one with `doyen keys add NAME`.")


@app.command()
@with_session
def remove(session: CliSession, name: Annotated[str, typer.Argument(help="Of the key.")]) -> None:
    """Remove a key. A running gateway refuses it at once."""
    from doyen.platform.serving.keys import remove_key

    remove_key(session.doyen.workspace, name)
    session.emit({"removed": name}, f"removed: {name}")


def _may(key: KeySettings) -> str:
    """Return in words what a key may do."""
    if key.admin:
        return "reads and changes everything"
    read = f"reads {', '.join(key.groups)} and open documents" if key.groups else "reads open documents"
    return read + (", asks adapters" if key.adapters else "") + (", labels in projects" if key.labels else "")
