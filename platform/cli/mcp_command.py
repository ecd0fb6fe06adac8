"""``doyen mcp``: the workspace's tools for an agent, over stdin and stdout."""

from __future__ import annotations

import os

from doyen.platform.cli.session import DebugOption, WorkspaceOption, open_session


def mcp(workspace: WorkspaceOption = None, debug: DebugOption = False) -> None:
    """Serve search, ask, cite and propose_label to an agent (MCP over stdio), with the rights of the key in DOYEN_API_KEY."""
    from doyen.core.logs import configure_logging
    from doyen.platform.mcp_server import KEY_VARIABLE, make_server

    # Taken out of the environment, so that no process that is started sees it.
    key = os.environ.pop(KEY_VARIABLE, None)
    with open_session(workspace, as_json=False, debug=debug) as session:
        server = make_server(session.doyen, key)
        # The library has set logging up for itself.
        configure_logging(as_json=False, debug=debug)
        server.run("stdio")
