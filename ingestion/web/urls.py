"""Addresses of web pages as they are requested and stored."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from doyen.core.errors import InputError

LONGEST_URL = 2_000
DEFAULT_PORTS = {"http": 80, "https": 443}


def is_url(text: str) -> bool:
    """Whether a path given to an ingestion is the address of a web page."""
    return text.lower().startswith(("http://", "https://"))


def normalised(url: str) -> str:
    """Return a URL as it is requested and stored: host in lower case, no fragment, other characters escaped.

    Raises:
        InputError: it is none, too long, or holds a password.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError as error:
        raise InputError(f"{url[:200]!r} is not a URL ({error}): give one such as https://host/page.html") from error
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS or not host or len(url) > LONGEST_URL or any(c.isspace() for c in host):
        raise InputError(f"{url[:200]!r} is not a URL that can be fetched: give one such as https://host/page.html")
    if parts.username or parts.password:
        raise InputError(f"a URL of {host} holds a user name or a password: pages that need a sign-in are not read")
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port and port != DEFAULT_PORTS[scheme] else ""
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    return urlunsplit((scheme, place, path, quote(parts.query, safe="/?%:@!$&'()*+,;=~[]"), ""))
