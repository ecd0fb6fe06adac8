"""Having Label Studio tell the gateway that something changed."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from doyen.annotation.projects import get_project, require_backend
from doyen.core.errors import InputError, SettingsError
from doyen.core.settings import FILE_NAME
from doyen.core.store import Store
from doyen.core.workspace import Workspace

HOOK_HEADER = "X-Doyen-Secret"
PATH = "/v1/annotation/webhook"


def register_webhook(workspace: Workspace, store: Store, project: str, gateway: str) -> str:
    """Have Label Studio call the gateway when labels or tasks of the project change; safe to repeat.

    Args:
        gateway: the gateway's base URL, as Label Studio reaches it.

    Returns:
        The URL that will be called.

    Raises:
        SettingsError: annotation.webhook_secret is empty.
        InputError: the URL is none, or labels are exchanged through files.
        NotFoundError, StateError, ServiceError: as for ``push``.
    """
    secret = workspace.settings.annotation.webhook_secret.get_secret_value()
    if not secret:
        problem = "annotation.webhook_secret is empty: set DOYEN_ANNOTATION__WEBHOOK_SECRET, also for `doyen serve`"
        raise SettingsError(FILE_NAME, [problem])
    parts = urlsplit(gateway)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(f"{gateway!r} is no address: give the gateway's, such as http://127.0.0.1:8321")
    row = get_project(store, project)
    backend, external_id = require_backend(workspace, row)
    url = f"{gateway.rstrip('/')}{PATH}?project={quote(project)}"
    backend.ensure_webhook(external_id, url, {HOOK_HEADER: secret})
    return url
