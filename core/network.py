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
    if local_only and not is_loopback(_host_name(f"//{host}")):
        return f"this server answers only to names of this machine, not to {host!r}: use http://127.0.0.1 or http://localhost"
    if method in SAFE_METHODS:
        return None
    origin = headers.get("origin")
    if origin is not None and _place(origin) != host.lower():
        return f"a page of {origin!r} may not change anything here: use a program or this server's own pages"
    return None


def _host_name(url: str) -> str:
    """Return the host that a URL names, "" where it cannot be one, such as ``//[::1``."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _place(origin: str) -> str | None:
    """Return host and port of an origin, None where it cannot be one."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None
