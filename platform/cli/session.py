"""What all subcommands share: common options, the opened workspace, and output for people or machines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doyen.core.redaction import printable

if TYPE_CHECKING:
    from doyen.platform.app import Doyen

# The command line imports the rest inside its functions: `doyen --help` must not wait for a database or a model's library.

WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="Workspace folder; default: the nearest folder with a doyen.toml.")
]
ProjectOption = Annotated[str, typer.Option("--project", "-p", help="Name of the annotation project.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, logs and progress on stderr.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug logs.")]


@dataclass(frozen=True)
class CliSession:
    """An opened workspace and the way to talk to the user.

    Attributes:
        as_json: whether stdout gets one JSON document and nothing else.
    """

    doyen: Doyen
    as_json: bool

    def emit(self, value: Any, text: str) -> None:
        """Print the result: ``value`` as JSON for machines, or ``text`` for people."""
        emit(value, text, as_json=self.as_json)


def emit(value: Any, text: str, *, as_json: bool) -> None:
    """Print a result to stdout, as one JSON document or as text."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str) if as_json else printable(text))


def with_session(command: Callable[..., None]) -> Callable[..., None]:
    """Open the workspace for a command, which takes it as its first argument; adds the options that all commands have."""

    def run(workspace: WorkspaceOption = None, as_json: JsonOption = False, debug: DebugOption = False, **given: Any) -> None:
        with open_session(workspace, as_json=as_json, debug=debug) as session:
            command(session, **given)

    # Typer reads a command's options from its signature.
    _, *own = signature(command, eval_str=True).parameters.values()
    *shared, _ = signature(run, eval_str=True).parameters.values()
    run.__signature__ = Signature([*own, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*own, *shared)}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


@contextmanager
def open_session(folder: Path | None, *, as_json: bool, debug: bool) -> Iterator[CliSession]:
    """Find the workspace, check its settings, open its database, and close it at the end.

    Raises:
        WorkspaceMissing, SettingsError, StateError: as find_workspace, load_settings and open_store do.
    """
    from doyen.core.logs import configure_logging
    from doyen.core.progress import Terminal
    from doyen.platform.app import Doyen

    configure_logging(as_json=as_json, debug=debug)
    quiet_libraries(debug)
    with Doyen(folder, reporter=Terminal()) as doyen:
        yield CliSession(doyen, as_json)


def quiet_libraries(debug: bool) -> None:
    """Hide the libraries' own progress bars and advice; ours say what matters."""
    if debug:
        return
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
