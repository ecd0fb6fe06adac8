"""``doyen serve`` and ``doyen ui``: the gateway and the chat."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from doyen.platform.cli.session import DebugOption, JsonOption, WorkspaceOption, open_session

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
    from doyen.platform.serving.gateway.server import run_servers

    with open_session(workspace, as_json=as_json, debug=debug) as session:
        settings = session.workspace.settings
        starter = _start_ui(settings.ui.port, settings.ui.title) if with_ui else None
        run_servers(
            session.workspace,
            host=host or settings.serving.host,
            port=settings.serving.port if port is None else port,
            beside=starter,
        )


def ui(
    gateway: Annotated[str, typer.Option(help="Base URL of a running gateway.")] = "http://127.0.0.1:8321",
    port: Annotated[int, typer.Option(help="Port of the chat.")] = 7860,
    debug: DebugOption = False,
) -> None:
    """Serve the chat alone, against a gateway that runs already. Its key comes from $DOYEN_API_KEY."""
    from doyen.ui.app import launch

    launch(gateway, api_key=os.environ.get("DOYEN_API_KEY", ""), port=port)
