"""Connections to public addresses only: a name is resolved once, its addresses are checked, and one of those is connected to.

A web page, a redirect or a sitemap could otherwise make Doyen read servers of the own network, such as a cloud machine's
metadata, and a name could resolve to another address once it was checked (DNS rebinding).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore

from doyen.core.errors import UnreadableDocument

TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 addresses behind NAT64 (RFC 6052)."""
METADATA = tuple(
    ip_network(each) for each in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")
)
"""Link-local addresses, where most clouds have it, and those of AWS over IPv6, Alibaba, and Azure's host."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is of the public internet, also that which an IPv6 address stands for."""
    meant = _meant(address)
    return meant.is_global and not meant.is_multicast and not is_metadata(meant)


def is_metadata(address: IPv4Address | IPv6Address) -> bool:
    """Whether a cloud machine gets its metadata there, which hold passwords: no page lies on such an address."""
    meant = _meant(address)
    return any(meant in network for network in METADATA)


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address stands for, else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses of a host.

    Raises:
        UnreadableDocument: it has none, one that is not public while ``allow_private`` is not set, or one of cloud metadata.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnreadableDocument(f"the name {host!r} has no address ({error}): check the URL and the network") from error
    addresses = list(dict.fromkeys(str(sockaddr[0]).split("%", 1)[0] for *_, sockaddr in found))
    for address in addresses:
        if is_metadata(ip_address(address)):
            raise UnreadableDocument(
                f"{host!r} has the address {address}, where clouds keep metadata: save the page and ingest the file"
            )
    private = [address for address in addresses if not is_public(ip_address(address))]
    if private and not allow_private:
        raise UnreadableDocument(
            f"{host!r} has the private address {private[0]}: ingestion.allow_private_urls = true lets Doyen read an intranet"
        )
    return addresses


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, and to none after ``deadline``.

    Attributes:
        deadline: of ``time.monotonic()``, for everything that a request reads and writes.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self.deadline = 0.0
        self._allow_private = allow_private
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a host that answers."""
        errors: list[Exception] = []
        for address in resolve(host, port, allow_private=self._allow_private):
            try:
                stream = self._backend.connect_tcp(address, port, self.remaining(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                errors.append(error)
            else:
                return _TimedStream(stream, self)
        raise errors[0]

    def remaining(self, timeout: float | None) -> float:
        """Return the seconds that an operation may take.

        Raises:
            httpcore.ReadTimeout: there are none left.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if timeout is None else min(left, timeout)


class _TimedStream(httpcore.NetworkStream):
    """A connection whose operations end at the deadline, however slowly bytes come."""

    def __init__(self, stream: httpcore.NetworkStream, backend: CheckedBackend) -> None:
        self._stream, self._backend = stream, backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._backend.remaining(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._backend.remaining(timeout))
        return _TimedStream(secured, self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
