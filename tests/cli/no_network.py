"""Put on ``PYTHONPATH`` as ``sitecustomize.py``: every connection beyond this machine is refused and noted."""

import os
import socket

LOCAL = (None, "127.0.0.1", "::1", "localhost")
connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def refuse(address: object) -> None:
    with open(os.environ["ATTEMPTS"], "a", encoding="utf-8") as log:
        log.write(f"{address!r}\n")
    raise OSError("blocked by the test")


def is_local(connection: socket.socket, address: object) -> bool:
    return connection.family == socket.AF_UNIX or str(address[0]) in LOCAL


socket.socket.connect = lambda self, address: connect(self, address) if is_local(self, address) else refuse(address)
socket.socket.connect_ex = lambda self, address: connect_ex(self, address) if is_local(self, address) else refuse(address)
socket.getaddrinfo = lambda host, *rest, **more: getaddrinfo(host, *rest, **more) if host in LOCAL else refuse(host)
