"""What a caller finds is what an index of their documents alone would find."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select
from support.access_world import GROUPS, SUBJECTS, World, make_world

from doyen.core.access import OWNER, Access
from doyen.core.store import Store, open_store
from doyen.core.store.schema import ChunkRow, DocumentRow
from doyen.core.workspace import create_workspace
from doyen.ingestion.document_store import chunk_id_of
from doyen.platform.documents import delete_documents, ingest_documents, set_document_groups
from doyen.retrieval.chosen import open_retriever

RED = Access("ann", frozenset({"red"}))


@pytest.fixture(scope="module", autouse=True)
def exact_vectors():
    """Embed in float32: on a busy machine "auto" may find bfloat16 faster, whose vectors differ from batch to batch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOYEN_RETRIEVAL__EMBEDDER_DTYPE", "float32")
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Store]:
    made = make_world(tmp_path_factory.mktemp("world"), random.Random(7))
    with closing(open_store(made.workspace)) as store:
        yield made, store


def queries(world: World) -> list[str]:
    chance = random.Random(5)
    words = [paper.canaries[1] for paper in world.papers]
    return [
        *(f"How often is the {subject} replaced?" for subject in SUBJECTS),
        "When does the CLB agree to the lockout of the crane?",
        "How is the crane locked out in revision B?",
        *(f"torque of the {chance.choice(SUBJECTS)} {chance.choice(words)} {chance.choice(words)}" for _ in range(12)),
    ]


@pytest.mark.model
@pytest.mark.parametrize("groups", [(), ("red",), ("green", "blue"), GROUPS])
def test_scores_are_those_of_an_index_of_the_readable_documents(world, tmp_path: Path, groups) -> None:
    made, store = world
    access = Access("ann", frozenset(groups))
    papers = made.readable(access)
    for paper in papers:
        path = tmp_path / "documents" / paper.source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(paper.text)
    alone = create_workspace(tmp_path / "space", "alone")
    with closing(open_store(alone)) as other:
        ingest_documents(alone, other, [tmp_path / "documents"])
        expected, restricted = open_retriever(alone, other), open_retriever(made.workspace, store)
        for query in queries(made):
            wanted = expected.retrieve(query, 6)
            found = restricted.retrieve(query, 6, access=access)
            assert [each.text for each in found] == [each.text for each in wanted], query
            for one, two in zip(found, wanted, strict=True):
                assert one.score == pytest.approx(two.score, abs=1e-6), query
                if one.source == two.source:
                    assert (one.revision, one.superseded_by) == (two.revision, two.superseded_by), query
                assert one.signals == pytest.approx(two.signals, abs=1e-6), query
                assert {one.source, two.source} <= {paper.source for paper in papers if paper.text == one_text(papers, one)}


def one_text(papers, passage) -> str:
    return next(paper.text for paper in papers if paper.source == passage.source)


@pytest.mark.model
def test_other_groups_count_from_the_next_query_on(world) -> None:
    made, store = world
    retriever = open_retriever(made.workspace, store)
    paper = next(paper for paper in made.papers if paper.source.startswith("manuals/"))
    copies = [each.source for each in made.papers if each.text == paper.text]
    before = {source: made.groups[source] for source in copies}
    try:
        for names, visible in ((["blue"], False), (["red", "blue"], True), (["grey"], False), ([], True)):
            for source in copies:
                set_document_groups(made.workspace, store, source, names)
            found = retriever.retrieve(f"{paper.canaries[1]} series", 20, access=RED)
            assert any(paper.canaries[1] in passage.text for passage in found) == visible
            assert any(paper.canaries[1] in passage.text for passage in retriever.retrieve(paper.canaries[1], 5, access=OWNER))
    finally:
        for source, names in before.items():
            set_document_groups(made.workspace, store, source, names)


@pytest.mark.model
def test_a_copy_is_shown_in_place_of_the_indexed_document(world) -> None:
    made, store = world
    with store.session() as session:
        shown = session.scalars(select(DocumentRow).where(DocumentRow.duplicate_of.is_not(None))).first()
        indexed = session.scalars(select(ChunkRow).where(ChunkRow.document_id == shown.duplicate_of)).all()
    copy = next(paper for paper in made.papers if paper.source == shown.source)
    same = [paper.source for paper in made.papers if paper.text == copy.text]
    before = {source: made.groups[source] for source in same}
    try:
        for source in same:
            set_document_groups(made.workspace, store, source, ["red"] if source == copy.source else ["blue"])
        (found,) = open_retriever(made.workspace, store).retrieve(copy.canaries[1], 1, access=RED)
        assert (found.source, found.document_id) == (copy.source, copy.document_id)
        assert copy.canaries[1] in found.text
        # The indexed chunk's id is made from the hidden name: it would tell who guesses that name.
        assert found.chunk_id in {chunk_id_of(shown, chunk.start, chunk.end) for chunk in indexed}
        nobody = Access("ben", frozenset())
        hidden = open_retriever(made.workspace, store).retrieve(copy.canaries[1], 20, access=nobody)
        assert not any(copy.canaries[1] in passage.text for passage in hidden)
    finally:
        for source, names in before.items():
            set_document_groups(made.workspace, store, source, names)


@pytest.mark.model
def test_the_name_of_a_hidden_copy_finds_nothing(tmp_path: Path) -> None:
    """A text without a title has its file's name as one, and passages are found by their title too."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for name in ("layoffs of march", "notes"):
        (folder / f"{name}.md").write_text("The pump is started once a week. The relief valve opens at 7.5 bar.\n")
    made = create_workspace(tmp_path / "space", "named")
    with closing(open_store(made)) as store:
        ingest_documents(made, store, [folder])
        retriever = open_retriever(made, store)
        both = retriever.retrieve("layoffs pump", 3)
        assert [each.source for each in both] == ["layoffs of march.md"], "the owner is shown one of two copies"
        set_document_groups(made, store, "layoffs of march.md", ["blue"])
        (found,) = retriever.retrieve("layoffs pump", 3, access=RED)
        delete_documents(made, store, ["layoffs of march.md"])
        (alone,) = retriever.retrieve("layoffs pump", 3, access=RED)
        assert found.source == alone.source == "notes.md"
        assert found.score == pytest.approx(alone.score, abs=1e-6)
        assert found.signals == pytest.approx(alone.signals, abs=1e-6)
