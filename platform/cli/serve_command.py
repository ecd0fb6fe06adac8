"""``doyen serve`` and ``doyen ui``: the gateway and the chat."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from doyen.platform.cli.session import DebugOption, JsonOption, WorkspaceOption, open_session

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HostOption = Annotated[str | None, typer.Option(help="Address to bind; anything but loopback needs an api_key.")]
PortOption = Annotated[int | None, typer.Option(help="Port of the gateway.")]


def serve(
    host: HostOption = None,
    port: PortOption = None,
    with_ui: Annotated[bool, typer.Option("--ui/--no-ui", help="Serve the chat in the browser too.")] = True,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Serve the OpenAI-compatible gateway and the chat until Ctrl-C."""
    from doyen.core.network import is_loopback
    from doyen.platform.serving.gateway.server import AppFactory, run_servers

    with open_session(workspace, as_json=as_json, debug=debug) as session:
        settings = session.doyen.workspace.settings
        local_only = is_loopback(host or settings.serving.host)
        needs_key = bool(settings.serving.keys or settings.serving.api_key.get_secret_value())

        def build_ui(gateway_url: str) -> ASGIApp:
            from doyen.ui.pages import create_ui_app

            return create_ui_app(gateway_url, settings.ui.title, needs_key=needs_key, local_only=local_only)

        chat = AppFactory("Chat", settings.ui.port, build_ui) if with_ui else None
        run_servers(session.doyen.workspace, host=host, port=port, beside=chat)
    _end_with_other_threads()


def _end_with_other_threads() -> None:
    """End the process, although other threads may be at work: the servers have stopped and nobody waits for them.

    A thread that loads a model is in native code, which aborts the process when the interpreter is torn down around it.
    """
    if threading.active_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def ui(
    gateway: Annotated[str, typer.Option(help="Base URL of a running gateway.")] = "http://127.0.0.1:8321",
    port: Annotated[int, typer.Option(help="Port of the chat.")] = 7860,
) -> None:
    """Serve the chat alone, against a gateway that runs already. Where that has keys, people sign in with theirs."""
    from doyen.core.logs import configure_logging
    from doyen.ui.pages import launch

    configure_logging(as_json=False, debug=False)
    launch(gateway, port=port)
