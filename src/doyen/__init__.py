"""Doyen turns documents and labels into a domain assistant. `Doyen` is the Python API; the rest loads when it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doyen.platform.app import Doyen

__all__ = ["Doyen"]


def __getattr__(name: str) -> Any:
    if name != "Doyen":
        raise AttributeError(f"module 'doyen' has no attribute {name!r}")
    from doyen.platform.app import Doyen

    return Doyen
