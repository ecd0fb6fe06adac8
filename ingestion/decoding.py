"""Bytes to text: byte order marks, UTF-8, UTF-16 without a mark, Windows code pages; binary files are refused."""

from __future__ import annotations

import codecs
import re

from doyen.core.errors import UnreadableDocument

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CODE_PAGES = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"]
CODE_PAGES += ["shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"]
SAMPLE = 50_000
RARE_HIGH_BYTES = 0.15
"""Below this share of bytes above 127 a text is in a Latin script: the statistics of code pages say little then."""
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def decode_bytes(data: bytes) -> str:
    """Return the text of a file in whatever encoding it is.

    Raises:
        UnreadableDocument: it is not text.
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace").removeprefix("\ufeff")
    if wide := _unmarked_utf16(data):
        return data.decode(wide, errors="replace")
    if len(_CONTROLS.findall(data[:SAMPLE])) > 0.01 * len(data[:SAMPLE]):
        raise UnreadableDocument("it is a binary file, not text: check its file name extension")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_legacy(data)


def _unmarked_utf16(data: bytes) -> str | None:
    """UTF-16 of mostly Latin text has a zero in every second byte, always on the same side."""
    sample = data[:4096]
    if len(sample) < 4:
        return None
    even, odd = sample[0::2].count(0) / len(sample[0::2]), sample[1::2].count(0) / len(sample[1::2])
    if odd > 0.6 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.6 and odd < 0.05 else None


def _decode_legacy(data: bytes) -> str:
    if _mostly_utf8(data):
        return data.decode("utf-8", errors="replace")
    first = next(position for position, byte in enumerate(data) if byte > 127)
    sample = data[max(0, first - SAMPLE // 2) :][:SAMPLE]
    share = sum(byte > 127 for byte in sample) / len(sample)
    encoding = "cp1252" if share < RARE_HIGH_BYTES and not _looks_central_european(sample) else _guess(sample)
    # The five bytes that Windows-1252 leaves undefined become replacement characters.
    return data.decode(encoding, errors="replace")


def _mostly_utf8(data: bytes) -> bool:
    """A few broken bytes in a UTF-8 file (cut in the middle, pasted) do not make it a code page."""
    sample = data[:SAMPLE]
    high = sum(byte > 127 for byte in sample)
    broken = sample.decode("utf-8", errors="replace").count("\ufffd")
    return high > 0 and broken <= 0.05 * high


def _looks_central_european(sample: bytes) -> bool:
    """Polish, Czech and Hungarian letters stand inside words; in Windows-1252 the same bytes are signs and symbols."""
    inside = re.findall(rb"[A-Za-z][\xb3\xb9\xbf\x9c\x9f\xbe](?=[A-Za-z])", sample)
    return len(inside) >= 3


def _guess(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=CODE_PAGES).best()
    return best.encoding if best is not None else "cp1252"
