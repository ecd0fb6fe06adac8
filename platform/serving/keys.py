"""The keys of the gateway: who has which access. Only hashes of them are stored, in doyen.toml."""

from __future__ import annotations

import hmac
import logging
import secrets
import tempfile
import threading
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import TypeAdapter, ValidationError
from tomlkit.items import Array, InlineTable

from doyen.core.access import OWNER, Access
from doyen.core.errors import InputError, NotFoundError, SettingsError
from doyen.core.files import write_text_atomic
from doyen.core.settings import FILE_NAME, OWNER_NAME, KeyName, KeySettings, ServingSettings, check_groups, load_settings
from doyen.core.workspace import Workspace

logger = logging.getLogger("doyen.gateway.access")

PREFIX = "doyen_"
"""Tells a key in a leaked file, and secret scanners, what it is."""
KEY_BYTES = 32


def new_key() -> str:
    """Return a fresh key of 256 random bits: too many to guess, so that a plain hash of it is enough."""
    return PREFIX + secrets.token_urlsafe(KEY_BYTES)


def hash_key(key: str) -> str:
    """Return what is stored of a key."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class KeyRing:
    """Knows the keys of a workspace. A key that is added to doyen.toml, or removed, counts from the next request on."""

    def __init__(self, workspace: Workspace, *, required: bool = False) -> None:
        """Read the keys.

        Args:
            required: refuse requests without a key also where there is none, as on an address that others can reach.

        Raises:
            SettingsError: doyen.toml is not right.
        """
        self._path = workspace.root / FILE_NAME
        self._lock = threading.Lock()
        self._stamp = self._read_stamp()
        self._keys = _hashes(workspace.settings.serving)
        self._required = required or bool(self._keys)

    def access(self, given: str | None) -> Access | None:
        """Return what the bearer of a key may read and change, None where the key is missing or wrong.

        Where nobody has a key and none is required, everybody is the owner.
        """
        keys = self._current()
        if not self._required:
            return OWNER
        found, wanted = None, hash_key(given or "")
        for known, access in keys:
            # No early end: the time must not tell which key was nearly right.
            if hmac.compare_digest(known, wanted):
                found = access
        return found if given else None

    def _current(self) -> list[tuple[str, Access]]:
        """Return the keys, read anew when doyen.toml has changed; one that is not right changes nothing."""
        with self._lock:
            stamp = self._read_stamp()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._keys = _hashes(load_settings(self._path).serving)
                except (SettingsError, OSError) as error:
                    logger.warning("the keys stay as they were: %s", error)
                # Who removes the last key of a running gateway does not mean to open it.
                self._required = self._required or bool(self._keys)
            return self._keys

    def _read_stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino, stat.st_size


def add_key(
    workspace: Workspace,
    name: str,
    groups: Sequence[str] = (),
    *,
    admin: bool = False,
    adapters: bool = False,
    labels: bool = False,
) -> str:
    """Write the hash of a new key to doyen.toml and return the key. Everything else in the file stays as it is.

    Raises:
        InputError: the name has a key already, or name or groups cannot be these.
        SettingsError: doyen.toml is not right; nothing was changed.
    """
    _check_name(name)
    check_groups(groups)
    if name in {key.name for key in workspace.settings.serving.keys}:
        raise InputError(f"{name!r} has a key already: remove it first with `doyen keys remove {name}`, or choose another name")
    key, document = new_key(), _read_toml(workspace)
    serving = document.setdefault("serving", tomlkit.table())
    inline = isinstance(serving, InlineTable) or isinstance(serving.get("keys"), Array)
    keys = serving.setdefault("keys", tomlkit.array() if inline else tomlkit.aot())
    table = tomlkit.inline_table() if inline else tomlkit.table()
    table.update({"name": name, "hash": hash_key(key), "groups": list(groups)})
    flags = {"admin": admin, "adapters": adapters, "labels": labels}
    table.update({flag: True for flag, wanted in flags.items() if wanted})
    keys.append(table)
    _write_toml(workspace, document)
    return key


def _check_name(name: str) -> None:
    try:
        TypeAdapter(KeyName).validate_python(name)
    except ValidationError as error:
        raise InputError(f"{name!r} cannot be a key's name: use at most 100 letters, digits and any of ._-@") from error
    if name == OWNER_NAME:
        raise InputError(f"{OWNER_NAME!r} stands for serving.api_key: choose another name")


def remove_key(workspace: Workspace, name: str) -> None:
    """Remove a key from doyen.toml.

    Raises:
        NotFoundError: there is no key of that name in the file.
    """
    document = _read_toml(workspace)
    keys = document.get("serving", {}).get("keys", [])
    places = [place for place, key in enumerate(keys) if key.get("name") == name]
    if not places:
        known = ", ".join(key.name for key in workspace.settings.serving.keys) or "none"
        raise NotFoundError(f"doyen.toml has no key {name!r}; known: {known}")
    del keys[places[0]]
    if not keys:
        del document["serving"]["keys"]
    _write_toml(workspace, document)


def _read_toml(workspace: Workspace) -> Any:
    return tomlkit.parse((workspace.root / FILE_NAME).read_text(encoding="utf-8"))


def _write_toml(workspace: Workspace, document: Any) -> None:
    """Replace doyen.toml by a changed one that has been found right."""
    text = tomlkit.dumps(document)
    with tempfile.TemporaryDirectory() as folder:
        tried = Path(folder) / FILE_NAME
        tried.write_text(text, encoding="utf-8")
        load_settings(tried)
    write_text_atomic(workspace.root / FILE_NAME, text)


def access_of_key(key: KeySettings) -> Access:
    """Return what the bearer of a key may read and change."""
    return Access(
        key.name,
        None if key.admin else frozenset(key.groups),
        key.admin,
        adapters=key.admin or key.adapters,
        labels=key.admin or key.labels,
    )


def _hashes(serving: ServingSettings) -> list[tuple[str, Access]]:
    owners = serving.api_key.get_secret_value()
    found = [(hash_key(owners), OWNER)] if owners else []
    return found + [(key.hash, access_of_key(key)) for key in serving.keys]
