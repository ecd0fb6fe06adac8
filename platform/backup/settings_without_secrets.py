"""``doyen.toml`` as it goes into a backup: everything but secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import tomlkit
from pydantic import BaseModel, SecretStr

from doyen.core.redaction import redact
from doyen.core.settings import Settings

API_KEY = "serving.api_key"
DATABASE_URL = "platform.database_url"
_COMMENTED_SECRET = re.compile(r"^\s*#.*(?:key|secret|password|token)\w*\s*=", re.IGNORECASE)


def without_secrets(text: str, *, drop: tuple[str, ...] = ()) -> tuple[str, list[str]]:
    """Return the text of a doyen.toml without its secrets, and the names of the settings that were taken out or hidden.

    Hashes of the gateway's keys stay: they are of random keys, which cannot be found from them. Passwords in URLs become
    "***", and so do secrets in comments.

    Args:
        drop: names of other settings that are taken out too; they are not named again.
    """
    document = tomlkit.parse(text)
    for name in drop:
        _remove(document, name.split("."))
    removed = [name for name in _secret_names(Settings) if _remove(document, name.split("."))]
    hidden = list(_hide_passwords(document, ""))
    lines = [redact(line) for line in tomlkit.dumps(document).splitlines() if not _COMMENTED_SECRET.match(line)]
    return "\n".join(lines) + "\n", removed + hidden


def _secret_names(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Yield the dotted names of all settings that hold a secret."""
    for name, field in model.model_fields.items():
        if field.annotation is SecretStr:
            yield above + name
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _secret_names(field.annotation, f"{above}{name}.")


def _remove(table: Any, path: list[str]) -> bool:
    """Take a setting out; return whether it was there and not empty."""
    for part in path[:-1]:
        table = table.get(part, {})
    return bool(table.pop(path[-1], None)) if path[-1] in table else False


def _hide_passwords(table: Any, above: str) -> Iterator[str]:
    """Hide the passwords of URLs in place; yield the names of the settings that had one."""
    for name, value in list(table.items()):
        if isinstance(value, dict):
            yield from _hide_passwords(value, f"{above}{name}.")
        elif isinstance(value, str) and "://" in value and (shown := redact(value)) != value:
            table[name] = shown
            yield above + name
