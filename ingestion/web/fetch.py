"""Fetching a URL as a polite and careful client: robots.txt, a pause between requests, limits, and only what has changed."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Self
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import httpcore

from doyen.core.errors import InputError, UnreadableDocument
from doyen.ingestion.readers import too_large
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.web.addresses import CheckedBackend
from doyen.ingestion.web.urls import normalised

AGENT = "Doyen"
MOST_REDIRECTS = 5
REDIRECTS = frozenset((301, 302, 303, 307, 308))
SECONDS = 60.0
"""That a request may take, from connecting to the last byte."""
QUIET_SECONDS = 15.0
"""That a server may be silent."""
ROBOTS_BYTES = 500_000
"""Of robots.txt that are read (RFC 9309, 2.5)."""
LONGEST_DELAY = 30.0
"""Seconds between requests that robots.txt can ask for."""
GONE = "it is gone: `doyen remove` removes what is known of it"
CLOSED = "it asks for a sign-in, or refuses programs: save the page and ingest the file"
REMEDIES = {401: CLOSED, 403: CLOSED, 404: GONE, 410: GONE}
"""By status; for others, trying again may help."""


@dataclass(frozen=True)
class Validators:
    """What a server gave to ask later whether a page has changed (RFC 9110, 8.8)."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True)
class Fetched:
    """An answer.

    Attributes:
        url: where it came from after redirects.
        changed: False when the server says that the page is as it was; there are no data then.
        media_type, charset: in lower case; empty where the server does not say.
    """

    url: str
    changed: bool
    data: bytes
    media_type: str
    charset: str
    validators: Validators


class Fetcher:
    """Fetches pages one after another.

    Args:
        limits: gives ``max_bytes``.
        allow_private: read also from addresses of private networks and of this machine.
        delay_s: seconds between two requests to a host; robots.txt may ask for more.
    """

    def __init__(self, limits: Limits, *, allow_private: bool, delay_s: float) -> None:
        self._limits, self._delay = limits, delay_s
        self._backend = CheckedBackend(allow_private=allow_private)
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(), network_backend=self._backend, max_connections=4, keepalive_expiry=30
        )
        self._robots: dict[str, RobotFileParser] = {}
        self._last: dict[str, float] = {}
        try:
            self._agent = f"{AGENT}/{version('doyen')}"
        except PackageNotFoundError:
            self._agent = AGENT

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def get(self, url: str, validators: Validators | None = None) -> Fetched:
        """Fetch a page if robots.txt allows it; redirects are followed, each checked like the first URL.

        Args:
            url: as ``normalised`` gives it.
            validators: of what is known of it; an unchanged page is not sent again.

        Raises:
            UnreadableDocument: it cannot be fetched, with the reason and the remedy.
        """
        for _ in range(MOST_REDIRECTS + 1):
            self._check_robots(url)
            self._wait(url)
            status, headers, data = self._request(url, validators, self._limits.max_bytes)
            if status not in REDIRECTS:
                return _answer(url, status, headers, data)
            try:
                url = normalised(urljoin(url, headers.get("location", "")))
            except InputError as error:
                raise UnreadableDocument(f"it redirects to what is no URL: {error}") from error
        raise UnreadableDocument(f"it redirects more than {MOST_REDIRECTS} times: give the final URL")

    def _request(self, url: str, validators: Validators | None, most: int) -> tuple[int, dict[str, str], bytes]:
        self._backend.deadline = time.monotonic() + SECONDS
        headers = {"Host": urlsplit(url).netloc, "User-Agent": self._agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        if validators and validators.etag:
            headers["If-None-Match"] = validators.etag
        if validators and validators.last_modified:
            headers["If-Modified-Since"] = validators.last_modified
        quiet = dict.fromkeys(("connect", "read", "write", "pool"), QUIET_SECONDS)
        try:
            with self._pool.stream("GET", url, headers=list(headers.items()), extensions={"timeout": quiet}) as response:
                found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                data = bytearray()
                if response.status == 200:
                    for piece in response.iter_stream():
                        data += piece
                        if len(data) > most:
                            raise UnreadableDocument(too_large(len(data), self._limits))
                return response.status, found, bytes(data)
        except httpcore.TimeoutException as error:
            raise UnreadableDocument("the server does not answer in time: try again later") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, ssl.SSLError) as error:
            raise UnreadableDocument(
                f"it cannot be fetched ({error or type(error).__name__}): check the URL and the network"
            ) from error

    def _wait(self, url: str) -> None:
        """Pause since the last request to the same host."""
        host = urlsplit(url).netloc
        asked = self._robots[_origin(url)].crawl_delay(AGENT)
        pause = max(self._delay, min(float(asked or 0), LONGEST_DELAY))
        if host in self._last:
            time.sleep(max(0.0, self._last[host] + pause - time.monotonic()))
        self._last[host] = time.monotonic()

    def _check_robots(self, url: str) -> None:
        origin = _origin(url)
        if origin not in self._robots:
            self._robots[origin] = self._read_robots(origin)
        if not self._robots[origin].can_fetch(AGENT, url):
            raise UnreadableDocument(
                f"{origin}/robots.txt does not allow it: ask its owner, or save the page and ingest the file"
            )

    def _read_robots(self, origin: str) -> RobotFileParser:
        """Read robots.txt as RFC 9309 says: a site without one allows all, one whose server fails allows nothing."""
        rules = RobotFileParser()
        url = f"{origin}/robots.txt"
        status, text = 0, b""
        for _ in range(MOST_REDIRECTS + 1):
            status, headers, text = self._request(url, None, self._limits.max_bytes)
            if status not in REDIRECTS:
                break
            url = normalised(urljoin(url, headers.get("location", "")))
        if status == 200:
            rules.parse(text[:ROBOTS_BYTES].decode("utf-8", errors="replace").splitlines())
        else:
            rules.parse([] if 300 <= status < 500 else ["User-agent: *", "Disallow: /"])
        return rules


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _answer(url: str, status: int, headers: dict[str, str], data: bytes) -> Fetched:
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    charset = next(
        (each.partition("=")[2] for each in parameters.split(";") if each.strip().lower().startswith("charset=")), ""
    )
    validators = Validators(headers.get("etag", ""), headers.get("last-modified", ""))
    if status not in (200, 304):
        raise UnreadableDocument(f"the server answers {status}: {REMEDIES.get(status, 'try again later')}")
    if headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise UnreadableDocument("the server packs its answer although it was asked not to: save the page and ingest the file")
    return Fetched(url, status == 200, data, media_type.strip().lower(), charset.strip(" \"'").lower(), validators)
