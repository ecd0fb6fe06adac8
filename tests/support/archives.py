"""Archives of backups that were changed: by hand, by accident or by another version of Doyen."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from doyen.platform.backup.archive_format import MANIFEST


def members_of(archive: Path) -> dict[str, bytes]:
    """Return the content of each member."""
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def rewrite(archive: Path, target: Path, files: Mapping[str, bytes | None] = {}, **changes: Any) -> Path:
    """Write an archive with other files (None takes one out) and other values in its manifest, all hashes right."""
    members = members_of(archive)
    manifest = json.loads(members.pop(MANIFEST))
    for name, data in files.items():
        if data is None:
            del members[name], manifest["files"][name]
        else:
            members[name] = data
            manifest["files"][name] = {"size": len(data), "sha256": sha256(data).hexdigest()}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        for name, data in members.items():
            written.writestr(zipfile.ZipInfo(name), data)
        written.writestr(MANIFEST, json.dumps({**manifest, **changes}))
    return target
