"""Near-duplicate groups: verified by true similarity, transitive, named stably."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from doyen.core.store.schema import ChunkRow, DocumentRow
from doyen.ingestion.duplicates import jaccard, near_groups, shingles, signature
from doyen.ingestion.ingest import ingest

BASE = [f"word{n}" for n in range(300)]


def grouped(texts: dict[str, str], threshold: float) -> dict[str, str]:
    return near_groups({name: signature(text) for name, text in texts.items()}, texts.__getitem__, threshold)


def changed(count: int) -> str:
    """The base text with ``count`` words replaced, far from one another."""
    words = list(BASE)
    for n in range(count):
        words[n * 290 // count] = f"other{n}"
    return " ".join(words)


@pytest.mark.parametrize(("count", "together"), [(1, True), (3, True), (8, False), (40, False)])
def test_the_threshold_is_the_true_similarity(count, together):
    texts = {"a": changed(0), "b": changed(count)}
    assert (jaccard(shingles(texts["a"]), shingles(texts["b"])) >= 0.85) == together
    groups = grouped(texts, 0.85)
    assert (groups["a"] == groups["b"]) == together


def test_groups_are_transitive_and_named_by_their_smallest_member():
    texts = {"c": changed(0), "b": changed(5), "a": changed(10), "z": "something else entirely " * 20}
    assert grouped(texts, 0.5) == {"c": "a", "b": "a", "a": "a", "z": "z"}


def test_texts_without_spaces_are_compared_by_letters():
    text = "".join(chr(0x4E00 + n * 7) for n in range(300))
    assert jaccard(shingles(text), shingles(text[:150] + "囧" + text[150:])) > 0.9


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=8))
def test_equal_texts_are_always_together_and_groups_are_never_invented(texts):
    named = {f"d{number}": text for number, text in enumerate(texts)}
    groups = grouped(named, 0.9)
    assert set(groups) == set(named)
    for a in named:
        for b in named:
            if named[a] == named[b]:
                assert groups[a] == groups[b]
            if jaccard(shingles(named[a]), shingles(named[b])) == 0 and len(named) == 2:
                assert groups[a] != groups[b]


def test_documents_added_later_are_grouped_as_if_all_had_come_at_once() -> None:
    base = " ".join(f"word{number}" for number in range(80))
    texts = {f"d{number:02}": f"{base} {'x' * number} tail{number % 3}" for number in range(6)}
    texts |= {
        f"e{number:02}": f"other subject {number} " + " ".join(f"w{number}{i}" for i in range(60)) for number in range(20)
    }
    signatures = {name: signature(text) for name, text in texts.items()}
    at_once = near_groups(signatures, texts.__getitem__, 0.8)
    settled: dict[str, str] = {}
    asked: set[str] = set()

    def text_of(name: str) -> str:
        asked.add(name)
        return texts[name]

    for name in sorted(texts, reverse=True):
        asked.clear()
        known = {each: signatures[each] for each in (*settled, name)}
        settled = near_groups(known, text_of, 0.8, settled)
        assert name.startswith("d") or not asked, "an unlike document was compared"
    assert settled == at_once
    assert len(set(at_once.values())) < len(at_once)


def test_copies_that_an_earlier_version_indexed_under_another_title_are_parted(workspace, store, tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    for name in ("layoffs", "notes"):
        (folder / f"{name}.md").write_text("The pump is started once a week.\n")
    ingest(workspace, store, [folder])
    with store.session() as session:
        original, copy = session.scalars(select(DocumentRow).order_by(DocumentRow.source))
        assert (original.duplicate_of, copy.duplicate_of) == (None, None)
        before = session.scalars(select(ChunkRow.chunk_id).order_by(ChunkRow.chunk_id)).all()
        copy.duplicate_of = original.document_id
        session.execute(delete(ChunkRow).where(ChunkRow.document_id == copy.document_id))
    ingest(workspace, store, [folder])
    with store.session() as session:
        assert session.scalars(select(ChunkRow.chunk_id).order_by(ChunkRow.chunk_id)).all() == before
        assert set(session.scalars(select(DocumentRow.duplicate_of))) == {None}
