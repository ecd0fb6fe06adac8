"""Manifests: what an index, dataset, adapter or report was made from, so that it can be made again."""

from __future__ import annotations

import hashlib
import json
import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from doyen.core.redaction import redact_values

LIBRARIES = ("torch", "transformers", "peft", "chromadb", "llama-index-core", "ragas", "xllamacpp")


def now() -> str:
    """Return the current time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def canonical_json(value: Any) -> str:
    """Return JSON that is the same for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of a JSON-like value, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()


def short_id(*parts: str) -> str:
    """Return 16 hexadecimal digits that identify the parts; the same parts always give the same id."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8")).hexdigest()[:16]


def build_manifest(kind: str, *, inputs: dict[str, Any], settings: dict[str, Any], seed: int | None = None) -> dict[str, Any]:
    """Return the manifest of an artefact.

    Args:
        kind: "index", "dataset", "adapter" or "report".
        inputs: names to hashes (or nested manifests) of what it was made from.
        settings: the settings that shaped it; passwords in URLs are hidden.
        seed: the random seed, where chance is involved.

    Returns:
        A JSON-like dictionary; its ``fingerprint`` covers kind, inputs, settings and seed, but not time and versions.
    """
    identity = {"kind": kind, "inputs": redact_values(inputs), "settings": redact_values(settings), "seed": seed}
    return {
        **identity,
        "fingerprint": fingerprint(identity),
        "created_at": now(),
        "doyen": _version("doyen"),
        "python": platform.python_version(),
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
