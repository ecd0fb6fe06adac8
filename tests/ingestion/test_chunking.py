"""Chunks: exact offsets, order, coverage, the embedder's window, structure kept together; for any text."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.core.errors import UnreadableDocument
from doyen.core.sentences import sentence_ends
from doyen.ingestion.chunk import chunk_document
from doyen.ingestion.document import DocumentBuilder, ParsedDocument
from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.word_pieces import PieceCounter, open_counter

LIMITS = Limits(10_000_000, 40_000_000, 100)

words = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
sentences = st.lists(words, max_size=40).map(" ".join)
blocks = st.tuples(st.sampled_from(["heading", "paragraph", "list_item", "table_row", "code"]), sentences)


@cache
def counter() -> PieceCounter:
    return open_counter("all-minilm-l6-v2")


def assert_sound(document: ParsedDocument, chunks) -> None:
    position = 0
    for chunk in chunks:
        assert document.text[chunk.start : chunk.end] == chunk.text
        assert chunk.text == chunk.text.strip() != ""
        assert chunk.start >= position
        assert not document.text[position : chunk.start].strip()
        position = chunk.end
    assert not document.text[position:].strip()
    for starts in counter().starts([chunk.text for chunk in chunks]):
        assert len(starts) <= counter().limit + 2  # a cut inside a word may add a piece


@settings(max_examples=60, deadline=None)
@given(st.lists(blocks, max_size=25), st.sampled_from([20, 60, 140]))
def test_any_document_is_cut_into_exact_chunks(parts, chunk_words):
    builder = DocumentBuilder()
    for number, (kind, text) in enumerate(parts):
        if number % 5 == 0:
            builder.start_page()
        builder.add(kind, text, 1 + number % 3 if kind == "heading" else 0)
    document = builder.build("", "text/plain")
    assert_sound(document, chunk_document(document, chunk_words=chunk_words, counter=counter()))


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=3000))
def test_any_text_file_is_cut_into_exact_chunks(text):
    data = text.encode("utf-8", "ignore")
    try:
        document = read_document(data, "a.txt", LIMITS)
    except UnreadableDocument:
        return
    assert_sound(document, chunk_document(document, chunk_words=40, counter=counter()))


@pytest.mark.parametrize(
    "text",
    [
        "温度传感器必须每二十六周校准一次" * 200,
        "กรุณาตรวจสอบอุปกรณ์ก่อนใช้งาน" * 300,
        "x" * 30_000,
        "ab1-" * 9_000,
        "word " * 20_000,
    ],
    ids=["chinese", "thai", "one word", "codes", "no sentences"],
)
def test_texts_without_sentences_are_cut_too(text):
    builder = DocumentBuilder()
    builder.add("paragraph", text)
    document = builder.build("", "text/plain")
    chunks = chunk_document(document, chunk_words=140, counter=counter())
    assert_sound(document, chunks)
    assert max(len(chunk.text) for chunk in chunks) <= 1.3 * 140 * 12


def test_a_list_stays_with_its_introduction_and_a_heading_with_its_text():
    filler = "The analyser measures the gas in the duct and sends its values to the emission computer every minute. "
    items = "".join(f"- Step {n}: close valve V{n} and wait {n} minutes.\n" for n in range(1, 6))
    text = f"# Manual\n\n{filler * 8}\n\n## Valves\n\nClose the valves in this order:\n\n{items}\n## Fans\n\n{filler * 7}"
    document = read_document(text.encode(), "m.md", LIMITS)
    chunks = chunk_document(document, chunk_words=140, counter=counter())
    assert_sound(document, chunks)
    (holder,) = [chunk for chunk in chunks if "in this order" in chunk.text]
    assert all(f"V{n} " in holder.text for n in range(1, 6))
    assert holder.text.startswith("Valves")
    assert holder.heading == "Manual > Valves"
    assert all(not chunk.text.endswith(("Valves", "Fans")) for chunk in chunks)


def test_chunks_are_near_the_wanted_size_and_end_at_sentences():
    sentence = "The pump of unit {} runs at {}.5 bar, e.g. when Dr. Keller tests it, and stops after 3.7 s. "
    text = "".join(sentence.format(n, n % 9) for n in range(300))
    document = read_document(text.encode(), "a.txt", LIMITS)
    chunks = chunk_document(document, chunk_words=100, counter=counter())
    assert all(chunk.text.startswith("The pump") and chunk.text.endswith("3.7 s.") for chunk in chunks)
    sizes = [len(chunk.text.split()) for chunk in chunks]
    assert all(70 <= size <= 130 for size in sizes[:-1])


def test_pages_are_those_of_the_first_character():
    builder = DocumentBuilder()
    for _ in range(4):
        builder.start_page()
        builder.add("paragraph", "One two three four five six seven eight nine ten. " * 12)
    document = builder.build("", "application/pdf")
    chunks = chunk_document(document, chunk_words=120, counter=counter())
    for chunk in chunks:
        start, end = document.pages[chunk.page - 1]
        assert start <= chunk.start < end
    assert {chunk.page for chunk in chunks} == {1, 2, 3, 4}


def test_sentences_end_where_people_end_them():
    text = "See Fig. 3 of Smith et al. for 2.5 mg. Dr. Who left at 5 p.m. today! Did he? Yes.\n"
    text += "1. Open it. 这是第一句。这是第二句。"
    ends = sentence_ends(text)
    parts = [text[a:b].strip() for a, b in zip([0, *ends], ends, strict=False)]
    assert parts == [
        "See Fig. 3 of Smith et al. for 2.5 mg.",
        "Dr. Who left at 5 p.m. today!",
        "Did he?",
        "Yes.",
        "1. Open it.",
        "这是第一句。",
        "这是第二句。",
    ]


@pytest.mark.parametrize(
    ("above", "caption"),
    [
        ("<p>Table 3: Seals of the pump.</p><table>", "Table 3: Seals of the pump."),
        ("<p>These seals fit the pump:</p><table>", "These seals fit the pump"),
        ("<table><caption>Seals of the pump</caption>", "Seals of the pump"),
        ("<p>The pump has seals.</p><table>", ""),
    ],
)
def test_every_chunk_of_a_long_table_stands_under_its_caption(above, caption):
    rows = "".join(f"<tr><td>QX-{number}</td><td>seal of size {number}</td><td>{number}.50</td></tr>" for number in range(60))
    head = "<tr><th>Part</th><th>Name</th><th>Price in euros</th></tr>"
    page = f"<h1>Parts</h1>{above}{head}{rows}</table><p>All prices are without tax.</p>"
    chunks = chunk_document(read_document(page.encode(), "a.html", LIMITS), chunk_words=60, counter=counter())
    inside = [chunk for chunk in chunks if chunk.text.startswith("Part:")]
    assert len(inside) > 3
    assert {chunk.heading for chunk in inside} == {f"Parts > {caption}" if caption else "Parts"}
    lines = [line for line in inside[-1].text.splitlines() if "QX" in line]
    assert all("Part: QX-" in line and "Price in euros:" in line for line in lines)
