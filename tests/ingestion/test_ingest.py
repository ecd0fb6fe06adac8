"""Incremental ingestion, duplicates, uploads, removal, and the lineage that stays."""

import os

import pytest
from sqlalchemy import func, select, text

from doyen.core.errors import InputError, NotFoundError
from doyen.core.manifest import short_id
from doyen.core.store.schema import ChunkRow, DocumentRow, DocumentVersionRow
from doyen.core.workspace import Workspace
from doyen.ingestion.check import check_offsets
from doyen.ingestion.ingest import ingest, ingest_bytes
from doyen.ingestion.removal import remove_document

PUMP = "# Pump\n\n" + "\n\n".join(
    f"Rule {n}: the pump of unit {n} is serviced every {n + 20} weeks by level S2." for n in range(40)
)
FAN = PUMP.replace("pump", "fan").replace("Pump", "Fan").replace("serviced", "looked after")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "documents"
    (made / "service").mkdir(parents=True)
    (made / "service" / "pump.md").write_text(PUMP)
    (made / "fan.md").write_text(FAN)
    return made


def ids(store, table=ChunkRow) -> set[str]:
    with store.session() as session:
        return set(session.scalars(select(table.chunk_id)))


def document(store, source) -> DocumentRow:
    with store.session() as session:
        return session.scalar(select(DocumentRow).where(DocumentRow.source == source))


def test_unchanged_changed_and_removed(workspace, store, folder):
    first = ingest(workspace, store, [folder])
    assert first.added == ["fan.md", "service/pump.md"]
    assert (first.n_documents, first.n_chunks) == (2, len(ids(store)))
    before = ids(store)
    os.utime(folder / "fan.md")
    again = ingest(workspace, store, [folder])
    assert again.unchanged == ["fan.md", "service/pump.md"]
    assert not again.changed
    assert ids(store) == before
    assert document(store, "fan.md").modified_ns == (folder / "fan.md").stat().st_mtime_ns

    (folder / "fan.md").write_text(FAN + "\n\nRule 99: new.")
    (folder / "service" / "pump.md").unlink()
    third = ingest(workspace, store, [folder])
    assert (third.updated, third.removed, third.n_documents) == (["fan.md"], ["service/pump.md"], 1)
    with store.session() as session:
        assert session.scalar(select(func.count()).select_from(DocumentVersionRow)) == 3
    assert check_offsets(store) == []


def test_ids_are_stable_for_a_document_that_comes_back(workspace, store, folder):
    ingest(workspace, store, [folder])
    before = ids(store)
    assert document(store, "fan.md").document_id == short_id("fan.md")
    (folder / "fan.md").unlink()
    ingest(workspace, store, [folder])
    (folder / "fan.md").write_text(FAN)
    ingest(workspace, store, [folder])
    assert ids(store) == before


def test_other_settings_cut_all_documents_again(workspace, store, folder):
    ingest(workspace, store, [folder])
    before = ids(store)
    (workspace.root / "doyen.toml").write_text("[ingestion]\nchunk_words = 40\n")
    report = ingest(Workspace(workspace.root), store, [folder])
    assert len(report.updated) == 2
    assert not ids(store) & before
    assert check_offsets(store) == []


def test_an_exact_duplicate_is_known_and_takes_over_when_the_original_goes(workspace, store, folder):
    (folder / "z-copy.md").write_bytes(FAN.replace("\n", "\r\n").encode("utf-16"))
    report = ingest(workspace, store, [folder])
    assert report.duplicates == [("z-copy.md", "fan.md")]
    assert document(store, "z-copy.md").duplicate_of == document(store, "fan.md").document_id
    assert document(store, "z-copy.md").near_group == document(store, "fan.md").near_group
    n_chunks = report.n_chunks
    (folder / "fan.md").unlink()
    report = ingest(workspace, store, [folder])
    assert report.n_chunks == n_chunks
    assert document(store, "z-copy.md").duplicate_of is None
    assert check_offsets(store) == []


def test_an_original_that_changes_leaves_its_chunks_to_the_duplicate(workspace, store, folder):
    (folder / "z-copy.md").write_text(FAN)
    ingest(workspace, store, [folder])
    (folder / "fan.md").write_text(PUMP)
    report = ingest(workspace, store, [folder])
    assert report.duplicates == [("fan.md", "service/pump.md")]
    assert document(store, "z-copy.md").duplicate_of is None
    assert check_offsets(store) == []


def test_near_duplicates_share_a_group_and_stay_indexed(workspace, store, folder):
    (folder / "fan-uk.md").write_text(FAN.replace("Rule 7:", "Rule seven:"))
    ingest(workspace, store, [folder])
    groups = {source: document(store, source).near_group for source in ("fan.md", "fan-uk.md", "service/pump.md")}
    assert groups["fan.md"] == groups["fan-uk.md"] != groups["service/pump.md"]
    assert document(store, "fan-uk.md").duplicate_of is None
    remove_document(store, "fan.md")
    ingest(workspace, store, [folder / "fan-uk.md"])
    assert document(store, "fan-uk.md").near_group == document(store, "fan-uk.md").document_id


def test_two_roots_with_the_same_file_name(workspace, store, tmp_path):
    for root in ("alpha", "beta"):
        (tmp_path / root).mkdir()
        (tmp_path / root / "readme.txt").write_text(f"The readme of {root} has its own words.")
    ingest(workspace, store, [tmp_path / "alpha"])
    assert ingest(workspace, store, [tmp_path / "beta"]).added == ["beta/readme.txt"]
    both = ingest(workspace, store, [tmp_path / "beta", tmp_path / "alpha"])
    assert sorted(both.unchanged) == ["beta/readme.txt", "readme.txt"]
    (tmp_path / "beta" / "readme.txt").unlink()
    assert ingest(workspace, store, [tmp_path / "beta"]).removed == ["beta/readme.txt"]


def test_a_moved_root_keeps_its_sources(workspace, store, folder, tmp_path):
    ingest(workspace, store, [folder])
    folder.rename(tmp_path / "moved")
    report = ingest(workspace, store, [tmp_path / "moved"])
    assert sorted(report.updated) == ["fan.md", "service/pump.md"]
    assert report.n_documents == 2


def test_a_single_file_removes_nothing_else(workspace, store, folder):
    ingest(workspace, store, [folder])
    (folder / "new.txt").write_text("A new file with a few words in it.")
    report = ingest(workspace, store, [folder / "new.txt"])
    assert (report.added, report.removed, report.n_documents) == (["new.txt"], [], 3)


def test_uploads(workspace, store, folder):
    ingest(workspace, store, [folder])
    assert ingest_bytes(workspace, store, "notes/a.md", b"# A\n\nFirst words.").added == ["notes/a.md"]
    assert ingest_bytes(workspace, store, "notes/a.md", b"# A\n\nFirst words.").unchanged == ["notes/a.md"]
    assert ingest_bytes(workspace, store, "notes/a.md", b"# A\n\nSecond words.").updated == ["notes/a.md"]
    assert ingest(workspace, store, [folder]).removed == []
    with pytest.raises(InputError, match="comes from the folder"):
        ingest_bytes(workspace, store, "fan.md", b"other words")
    assert check_offsets(store) == []


def test_removing(workspace, store, folder):
    ingest(workspace, store, [folder])
    assert remove_document(store, "fan.md") == "fan.md"
    assert remove_document(store, short_id("service/pump.md")) == "service/pump.md"
    assert not ids(store)
    with pytest.raises(NotFoundError):
        remove_document(store, "fan.md")


def test_check_finds_what_is_wrong(workspace, store, folder):
    ingest(workspace, store, [folder])
    with store.session() as session:
        session.execute(
            text("UPDATE chunks SET start = start + 1 WHERE ordinal = 0 AND document_id = :id"), {"id": short_id("fan.md")}
        )
        session.execute(text("DELETE FROM chunks WHERE ordinal = 1 AND document_id = :id"), {"id": short_id("service/pump.md")})
    problems = "\n".join(check_offsets(store))
    assert "fan.md: chunk" in problems
    assert "is not the text at" in problems
    assert "service/pump.md: the text at" in problems


def test_sources_of_a_report_are_json(workspace, store, folder):
    report = ingest(workspace, store, [folder]).to_json()
    assert set(report) == {
        "added",
        "updated",
        "unchanged",
        "removed",
        "missing",
        "merged",
        "duplicates",
        "failed",
        "skipped",
        "without_text",
        "recognised",
        "unrecognised",
        "notes",
        "regrouped",
        "unused_folders",
        "n_documents",
        "n_chunks",
        "stale",
    }
