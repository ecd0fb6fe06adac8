"""Text from tokens: for any cut into tokens the pieces are whole characters and end before a stop text."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.platform.serving.engines.text_stream import TextStream


class ByteTokenizer:
    """One token for each byte: the hardest case for whole characters."""

    def decode(self, ids, **_):
        return bytes(ids).decode("utf-8", errors="replace")


def run(data: bytes, stop=()):
    stream = TextStream(ByteTokenizer(), stop)
    pieces = []
    for byte in data:
        pieces.append(stream.push(byte))
        if stream.stopped:
            break
    pieces.append(stream.finish())
    return stream, pieces


@settings(max_examples=60)
@given(st.text(alphabet=st.characters(exclude_characters="\ufffd", exclude_categories=["Cs"]), max_size=30))
def test_pieces_add_up_and_hold_no_half_characters(text):
    stream, pieces = run(text.encode())
    assert "".join(pieces) == text == stream.text
    assert not any("\ufffd" in piece for piece in pieces)


@settings(max_examples=60)
@given(st.text(alphabet="ab\n", max_size=20), st.lists(st.text(alphabet="ab\n", min_size=1, max_size=3), max_size=3))
def test_nothing_of_a_stop_text_is_given_out(text, stops):
    stream, pieces = run(text.encode(), stops)
    # A stop text ends the answer as soon as it is complete, so the earliest end counts, not the earliest beginning.
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    seen = text[: min(ends)] if ends else text
    expected = min((seen[: seen.find(stop)] for stop in stops if stop in seen), key=len, default=seen)
    assert "".join(pieces) == expected == stream.text
    assert stream.stopped == bool(ends)


def test_an_unfinished_character_at_the_end_is_shown_as_such():
    stream, _ = run("é".encode()[:1])
    assert stream.text == "\ufffd"
