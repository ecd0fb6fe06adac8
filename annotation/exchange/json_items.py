"""The objects of a JSON file one by one, whether it is one list or has an object on each line."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from doyen.annotation.exchange.record_files import Intake, Row, open_input, parse_object, text_lines
from doyen.annotation.types.typed_labels import LabelError

CHUNK = 1 << 16
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)


def json_items(intake: Intake) -> Iterator[tuple[int, Row]]:
    """Yield (number from 1, object); what is no object, or no JSON, is noted as broken. Memory holds one object.

    Raises:
        InputError: there is no such file.
    """
    with open_input(intake.path) as stream:
        first = stream.read(CHUNK).decode("utf-8-sig", errors="replace").lstrip()[:1]
    if first == "[":
        intake.unit = "item"
        yield from _list_items(intake)
        return
    for number, line in text_lines(intake):
        if line.strip():
            try:
                yield number, parse_object(line)
            except LabelError as error:
                intake.reject(number, "; ".join(error.problems))


def _list_items(intake: Intake) -> Iterator[tuple[int, Row]]:
    number = 0
    try:
        for value in _elements(_text(intake)):
            number += 1
            if isinstance(value, dict):
                yield number, value
            else:
                intake.reject(number, f"expected a JSON object, found {type(value).__name__}")
    except (json.JSONDecodeError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        intake.reject(number + 1, f"not valid JSON ({reason})")
    except UnicodeDecodeError as error:
        intake.reject(number + 1, f"not UTF-8 ({error.reason}): save the file as UTF-8")


def _text(intake: Intake) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    with open_input(intake.path) as stream:
        while chunk := stream.read(CHUNK):
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)


def _elements(parts: Iterator[str]) -> Iterator[Any]:
    """Yield the elements of a JSON list whose text comes in parts. Raises JSONDecodeError."""
    buffer = _more("", parts).lstrip()[1:]
    expected = "]"
    while True:
        buffer = _until_solid(buffer, parts)
        if buffer[:1] == "]" and expected in {"]", ","}:
            if _until_solid(buffer[1:], parts):
                raise json.JSONDecodeError("something follows the list", buffer[:80], 1)
            return
        if expected == ",":
            if buffer[:1] != ",":
                raise json.JSONDecodeError("expected a comma or the end of the list", buffer[:80], 0)
            buffer = _until_solid(buffer[1:], parts)
        while True:
            try:
                value, end = _DECODER.raw_decode(buffer)
                break
            except json.JSONDecodeError:
                # The element may go on in the next part; where there is none it is broken. Doubling keeps this linear.
                longer = _more(buffer, parts, at_least=2 * len(buffer))
                if longer == buffer:
                    raise
                buffer = longer
        yield value
        buffer, expected = buffer[end:], ","


def _until_solid(buffer: str, parts: Iterator[str]) -> str:
    """Return the rest from the first character that is no blank; empty at the end."""
    buffer = buffer.lstrip()
    while not buffer:
        part = next(parts, None)
        if part is None:
            return ""
        buffer = part.lstrip()
    return buffer


def _more(buffer: str, parts: Iterator[str], *, at_least: int = 1) -> str:
    """Return the buffer with further parts, up to that length; unchanged at the end."""
    pieces, length = [buffer], len(buffer)
    while length < at_least and (part := next(parts, None)) is not None:
        pieces.append(part)
        length += len(part)
    return "".join(pieces)
