"""Who may talk to a server that runs on someone's own machine.

A server on loopback is reachable by every web page that the same person has open. Two checks keep those pages out:
the Host header must name this machine (against DNS rebinding), and a request that changes something must not come
from another origin (against forged forms).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_loopback(host: str) -> bool:
    """Return whether a host name or address stays on this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def reason_to_refuse(method: str, headers: Mapping[str, str], *, local_only: bool) -> str | None:
    """Return why a request must not be served, or None.

    Args:
        method: the HTTP method, in capitals.
        headers: the request's headers; lower-case names.
        local_only: whether the server is bound to loopback, so that only names of this machine are right.
    """
    host = headers.get("host", "")
    if local_only and not is_loopback(urlsplit(f"//{host}").hostname or ""):
        return f"this server answers only to names of this machine, not to {host!r}: use http://127.0.0.1 or http://localhost"
    if method in SAFE_METHODS:
        return None
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return f"a page of {origin!r} may not change anything here: use a program or this server's own pages"
    return None
