"""E-mails as Outlook saves them (MSG): a compound file ([MS-CFB], version 3) of properties ([MS-OXMSG])."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

SECTOR, SMALL_SECTOR, CUTOFF = 512, 64, 4096
NONE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
UNICODE, BINARY, NUMBER, TIME = 0x001F, 0x0102, 0x0003, 0x0040
Tree = Mapping[str, "bytes | Tree"]


def outlook_mail(
    subject: str,
    *,
    text: str = "",
    html: bytes = b"",
    rtf: bytes = b"",
    attached: Sequence[Tree] = (),
) -> bytes:
    """Return a sent e-mail of Ann to Bob, with Carla in copy, as a file."""
    return compound(message(subject, text=text, html=html, rtf=rtf, attached=attached, header=32))


def message(
    subject: str, *, text: str = "", html: bytes = b"", rtf: bytes = b"", attached: Sequence[Tree] = (), header: int = 24
) -> Tree:
    """Return an e-mail as a storage; `header` is 24 bytes for one that is attached to another."""
    sent = int((datetime(2024, 3, 5, 13, 7, tzinfo=UTC) - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10**7
    people = [("Bob", "/O=PLANT/CN=BOB", "bob@plant.example", 1), ("Carla Núñez", "/O=PLANT/CN=CARLA", "", 2)]
    said = {
        0x0037: subject,
        0x0C1A: "Ann Größer",
        0x0C1F: "/O=PLANT/CN=ANN",
        0x5D01: "ann@plant.example",
        0x0039: sent,
        0x3FDE: 65001,
        **({0x1000: text} if text else {}),
        **({0x1013: html} if html else {}),
        **({0x1009: rtf} if rtf else {}),
    }
    storage = dict(_storage(said, header))
    for number, (name, within, address, kind) in enumerate(people):
        recipient = {0x3001: name, 0x3003: within, 0x0C15: kind, **({0x39FE: address} if address else {})}
        storage[f"__recip_version1.0_#{number:08X}"] = _storage(recipient, 8)
    for number, each in enumerate(attached):
        storage[f"__attach_version1.0_#{number:08X}"] = each
    return storage


def attachment(name: str, data: bytes, *, in_text: bool = False) -> Tree:
    """Return an attached file."""
    return _storage({0x3707: name, 0x3704: name[:8], 0x3701: data, 0x3705: 1, 0x3714: 4 if in_text else 0}, 8)


def attached_message(inner: Tree) -> Tree:
    """Return an attached e-mail."""
    return {**_storage({0x3705: 5}, 8), "__substg1.0_3701000D": inner}


def _storage(properties: Mapping[int, str | bytes | int], header: int) -> Tree:
    streams, rows = {}, b""
    for name, value in properties.items():
        if isinstance(value, int):
            kind, packed = (TIME, value) if value > 2**32 else (NUMBER, value)
        else:
            kind = UNICODE if isinstance(value, str) else BINARY
            data = value.encode("utf-16-le") if isinstance(value, str) else value
            streams[f"__substg1.0_{name:04X}{kind:04X}"] = data
            packed = len(data)
        rows += struct.pack("<HHIQ", kind, name, 6, packed)
    return {**streams, "__properties_version1.0": b"\0" * header + rows}


def compound(tree: Tree) -> bytes:
    """Return a compound file of streams and storages."""
    entries: list[list] = [["Root Entry", 5, NONE, NONE, 0, 0]]  # name, type, right, child, start, size
    small, large = bytearray(), []

    def add(storage: Tree) -> int:
        first = before = NONE
        for name in sorted(storage, key=lambda name: (len(name), name.upper())):
            value, number = storage[name], len(entries)
            entries.append([name, 2 if isinstance(value, bytes) else 1, NONE, NONE, 0, 0])
            if before == NONE:
                first = number
            else:
                entries[before][2] = number
            before = number
            if not isinstance(value, bytes):
                entries[number][3] = add(value)
            elif len(value) >= CUTOFF:
                large.append((number, value))
                entries[number][5] = len(value)
            else:
                entries[number][4:] = [len(small) // SMALL_SECTOR if value else END, len(value)]
                small.extend(value + b"\0" * (-len(value) % SMALL_SECTOR))
        return first

    def small_chains() -> bytes:
        chain = list(range(1, len(small) // SMALL_SECTOR + 1))
        for _, kind, _, _, start, size in entries:
            if kind == 2 and 0 < size < CUTOFF:
                chain[start + (size - 1) // SMALL_SECTOR] = END
        return struct.pack(f"<{len(chain)}I", *chain)

    entries[0][3] = add(tree)
    fat: list[int] = []
    body = bytearray()

    def place(data: bytes, fill: bytes = b"\0") -> int:
        start, count = len(fat), -(-len(data) // SECTOR)
        fat.extend([*range(start + 1, start + count), END])
        body.extend(data + fill * (-len(data) % SECTOR))
        return start

    entries[0][4:] = [place(bytes(small)), len(small)]
    for number, data in large:
        entries[number][4] = place(data)
    small_fat = place(small_chains(), b"\xff")
    directory = place(b"".join(map(_entry, entries)))
    fat_sectors = 1
    while (len(fat) + fat_sectors) * 4 > fat_sectors * SECTOR:
        fat_sectors += 1
    places = list(range(len(fat), len(fat) + fat_sectors))
    fat += [FAT] * fat_sectors
    body += struct.pack(f"<{len(fat)}I", *fat).ljust(fat_sectors * SECTOR, b"\xff")
    small_count = -(-len(small) // SMALL_SECTOR * 4 // SECTOR) or 1
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16 + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<IIIIIIIII", 0, fat_sectors, directory, 0, CUTOFF, small_fat, small_count, END, 0)
    return head + struct.pack("<109I", *places, *[NONE] * (109 - fat_sectors)) + bytes(body)


def _entry(entry: Sequence) -> bytes:
    name, kind, right, child, start, size = entry
    packed = name.encode("utf-16-le")
    head = packed.ljust(64, b"\0") + struct.pack("<HBBIII", len(packed) + 2, kind, 1, NONE, right, child)
    return head + b"\0" * 36 + struct.pack("<IQ", start if kind != 1 else 0, size)
