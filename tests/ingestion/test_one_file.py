"""One file is one document whatever path it came by; bad files, lost folders and removed documents."""

import os
import socket

import pytest
import sqlalchemy as sa
from sqlalchemy import select
from support.old_schema import database_of

from doyen.core.manifest import short_id
from doyen.core.store import open_store
from doyen.core.store.schema import AnnotationProjectRow, AnnotationTaskRow, ChunkRow, DocumentRow
from doyen.ingestion.check import check_offsets
from doyen.ingestion.ingest import ingest, ingest_bytes
from doyen.ingestion.removal import remove_document

OLD, NEW = "The relief valve opens at 6 bar.", "The relief valve opens at 9 bar now."


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "d"
    (made / "sub").mkdir(parents=True)
    (made / "sub" / "valve.md").write_text(f"# Valve\n\n{OLD}\n")
    (made / "motor.md").write_text("# Motor\n\nThe motor turns at 1400 rpm.\n")
    return made


def texts(store) -> str:
    with store.session() as session:
        return "\n".join(session.scalars(select(ChunkRow.text)))


def sources(store) -> list[str]:
    with store.session() as session:
        return list(session.scalars(select(DocumentRow.source).order_by(DocumentRow.source)))


def ways(folder):
    """All the paths by which sub/valve.md can be named."""
    link = folder.parent / "elsewhere"
    link.symlink_to(folder / "sub")
    file_link = folder.parent / "link.md"
    file_link.symlink_to(folder / "sub" / "valve.md")
    relative = os.path.relpath(folder / "sub" / "valve.md")
    dotted = folder / "sub" / ".." / "sub" / "valve.md"
    return [
        folder,
        folder / "sub",
        folder / "sub" / "valve.md",
        link,
        link / "valve.md",
        file_link,
        type(folder)(relative),
        dotted,
    ]


@pytest.mark.parametrize("first", range(8))
def test_a_file_keeps_its_source_whatever_path_it_comes_by_next(workspace, store, folder, first):
    paths = ways(folder)
    ingest(workspace, store, [paths[first]])
    (source,) = [each for each in sources(store) if each != "motor.md"]
    for path in paths:
        assert source in ingest(workspace, store, [path]).unchanged
    assert len(sources(store)) == 2
    (folder / "sub" / "valve.md").write_text(f"# Valve\n\n{NEW}\n")
    for path in paths[:first] or paths[1:]:
        ingest(workspace, store, [path])
        assert NEW in texts(store)
        assert OLD not in texts(store)
    (folder / "sub" / "valve.md").unlink()
    assert ingest(workspace, store, [folder]).removed == [source]
    assert sources(store) == ["motor.md"]
    assert check_offsets(store) == []


def test_file_and_folder_in_one_command_take_the_folders_name(workspace, store, folder):
    (folder / "also.md").symlink_to(folder / "sub" / "valve.md")
    report = ingest(workspace, store, [folder / "sub" / "valve.md", folder / "sub", folder])
    assert sorted(report.added) == ["motor.md", "sub/valve.md"]


def test_a_link_to_a_folder_that_is_pointed_elsewhere_leaves_no_old_copy(workspace, store, folder):
    release, current = folder.parent / "release", folder.parent / "current"
    release.mkdir()
    (release / "valve.md").write_text(f"# Valve\n\n{NEW}\n")
    current.symlink_to(folder / "sub")
    ingest(workspace, store, [current])
    current.unlink()
    current.symlink_to(release)
    assert ingest(workspace, store, [current]).updated == ["valve.md"]
    assert OLD not in texts(store)


def test_a_folder_of_the_same_names_replaces_nothing_while_another_is_away(workspace, store, folder):
    ingest(workspace, store, [folder])
    folder.rename(folder.parent / "unmounted")
    other = folder.parent / "other"
    other.mkdir()
    (other / "motor.md").write_text("# Another motor\n\nIt turns at 900 rpm, and that is all there is to say.\n")
    assert ingest(workspace, store, [other]).added == ["other/motor.md"]
    assert "1400 rpm" in texts(store)


def test_bad_files_do_not_stop_the_rest(workspace, store, folder):
    (folder / "a.md").symlink_to("b.md")
    (folder / "b.md").symlink_to("a.md")
    (folder / "broken.md").symlink_to("nothing.md")
    (folder / "loop").symlink_to(folder)
    (folder / "out.md").symlink_to("/etc/hostname")
    (folder / "null.md").symlink_to("/dev/null")
    os.mkfifo(folder / "pipe.md")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket.md"))
    (folder / "lone.jsonl").write_text('{"text": "a lone surrogate \\ud800 in words"}\n')
    odd = os.fsencode(folder) + b"/odd\xff"
    os.mkdir(odd)
    with open(odd + b"/x.md", "w") as stream:
        stream.write("words")
    report = ingest(workspace, store, [folder])
    assert {"motor.md", "sub/valve.md"} <= set(report.added)
    named = {path for path, _ in [*report.skipped, *report.failed]}
    assert {"a.md", "b.md", "broken.md", "out.md", "null.md", "pipe.md", "socket.md", "odd?/x.md"} <= named
    again = ingest(workspace, store, [folder / "pipe.md", folder])
    assert {"motor.md", "sub/valve.md"} <= set(again.unchanged)
    with_odd_root = ingest(workspace, store, [type(folder)(os.fsdecode(odd))])
    assert [reason for _, reason in with_odd_root.skipped] == ["its path is not valid UTF-8: rename it"]


def fill(folder, n):
    for number in range(n):
        (folder / f"{number}.md").write_text(f"# Part {number}\n\nPart {number} weighs {number + 3} kg.\n")


def test_an_emptied_folder_does_not_empty_the_workspace(workspace, store, folder):
    fill(folder, 10)
    ingest(workspace, store, [folder])
    before = sources(store)
    away = folder.parent / "away"
    folder.rename(away)
    folder.mkdir()
    report = ingest(workspace, store, [folder])
    assert (sorted(report.missing), report.removed) == (before, [])
    assert sources(store) == before
    assert ingest(workspace, store, [folder], allow_removals=True).removed == before
    assert sources(store) == []


def test_a_large_share_is_held_back_and_a_small_one_is_not(workspace, store, folder):
    fill(folder, 18)
    ingest(workspace, store, [folder])
    for number in range(4):
        (folder / f"{number}.md").unlink()
    assert len(ingest(workspace, store, [folder]).removed) == 4
    for number in range(4, 9):
        (folder / f"{number}.md").unlink()
    (folder / "new.md").write_text("# New\n\nNew words.\n")
    report = ingest(workspace, store, [folder])
    assert (len(report.missing), report.added) == (5, ["new.md"])


def test_files_that_were_moved_within_a_folder_are_not_lost(workspace, store, folder):
    fill(folder, 12)
    ingest(workspace, store, [folder])
    (folder / "parts").mkdir()
    for number in range(12):
        (folder / f"{number}.md").rename(folder / "parts" / f"{number}.md")
    report = ingest(workspace, store, [folder])
    assert (len(report.removed), len(report.added), report.missing) == (12, 12, [])
    assert check_offsets(store) == []


def test_a_removed_document_stays_away_until_it_is_asked_for(workspace, store, folder):
    ingest(workspace, store, [folder])
    remove_document(store, "motor.md")
    report = ingest(workspace, store, [folder])
    assert [source for source, _ in report.skipped] == ["motor.md"]
    assert "--restore" in report.skipped[0][1]
    moved = folder.rename(folder.parent / "moved")
    assert [source for source, _ in ingest(workspace, store, [moved]).skipped] == ["motor.md"]
    assert sources(store) == ["sub/valve.md"]
    assert ingest(workspace, store, [moved], restore=True).added == ["motor.md"]
    remove_document(store, "motor.md")
    assert ingest(workspace, store, [moved / "motor.md"]).added == ["motor.md"]
    assert ingest(workspace, store, [moved]).unchanged == ["motor.md", "sub/valve.md"]


@pytest.mark.parametrize("placed", ["moved", "renamed", "copied"])
@pytest.mark.parametrize("asked", ["named", "restored"])
def test_a_removed_file_stays_away_also_at_another_path(workspace, store, folder, placed, asked):
    ingest(workspace, store, [folder])
    remove_document(store, "motor.md")
    other = folder / {"moved": "sub/motor.md", "renamed": "engine.md", "copied": "copy of motor.md"}[placed]
    other.write_bytes((folder / "motor.md").read_bytes())
    if placed != "copied":
        (folder / "motor.md").unlink()
    report = ingest(workspace, store, [folder])
    assert (report.added, sources(store)) == ([], ["sub/valve.md"])
    assert all("--restore" in reason for _, reason in report.skipped)
    assert other.relative_to(folder).as_posix() in [source for source, _ in report.skipped]

    ingest(workspace, store, [other] if asked == "named" else [folder], restore=asked == "restored")
    assert len(sources(store)) == (3 if (asked, placed) == ("restored", "copied") else 2)
    again = folder / "sub" / "once more.md"
    other.rename(again)
    report = ingest(workspace, store, [folder])
    assert again.name in "".join(sources(store)), "what was asked for again is not lost by a new name"


def test_a_copy_of_a_document_that_stays_is_not_taken_for_removed(workspace, store, folder):
    (folder / "twin.md").write_bytes((folder / "motor.md").read_bytes())
    ingest(workspace, store, [folder])
    remove_document(store, "motor.md")
    (folder / "twin.md").rename(folder / "engine.md")
    report = ingest(workspace, store, [folder])
    assert [source for source, _ in report.skipped] == ["motor.md"]
    assert sources(store) == ["engine.md", "sub/valve.md"]


def test_a_removed_upload_can_be_uploaded_again(workspace, store):
    ingest_bytes(workspace, store, "a.md", b"# A\n\nWords.")
    remove_document(store, "a.md")
    assert ingest_bytes(workspace, store, "a.md", b"# A\n\nWords.").added == ["a.md"]


def test_an_older_workspace_that_holds_a_file_twice_is_merged(workspace, folder):
    """The rows are what version 0004 wrote for `ingest d/sub/valve.md` followed by `ingest d`."""
    with database_of(workspace, "0004") as connection:
        for source, root, twin in (("valve.md", folder / "sub", None), ("sub/valve.md", folder, short_id("valve.md"))):
            row = (
                short_id(source),
                source,
                str(root),
                "v1",
                "Valve",
                "text/markdown",
                43,
                1,
                "old",
                twin,
                short_id(source),
                "2026",
            )
            marks = ", ".join(f":v{number}" for number in range(len(row)))
            values = {f"v{number}": value for number, value in enumerate(row)}
            connection.execute(sa.text(f"INSERT INTO documents VALUES ({marks})"), values)
            version = {"id": short_id(source), "source": source, "text": f"# Valve\n\n{OLD}"}
            connection.execute(
                sa.text("INSERT INTO document_versions VALUES (:id, 'v1', :source, :text, '[]', '2026')"), version
            )
        values = {"id": short_id("valve.md"), "text": OLD}
        connection.execute(sa.text("INSERT INTO chunks VALUES ('c1', :id, 'v1', 0, 9, 41, NULL, 'Valve', :text, 1)"), values)
    store = open_store(workspace)
    with store.session() as session:
        session.add(AnnotationProjectRow(name="qa", task_type="prompt_response", backend="files", config=""))
        data = {"uid": "t", "text": OLD, "document_id": short_id("valve.md"), "chunk_id": "c1", "source": "valve.md"}
        task = {"document_id": short_id("valve.md"), "version": "v1", "chunk_id": "c1"}
        session.add(
            AnnotationTaskRow(uid="t", project="qa", data=data, predictions=[], state="labelled", created_at="2026", **task)
        )
    report = ingest(workspace, store, [folder])
    assert report.merged == [("valve.md", "sub/valve.md")]
    assert sources(store) == ["motor.md", "sub/valve.md"]
    with store.session() as session:
        task = session.get_one(AnnotationTaskRow, "t")
        assert (task.document_id, task.data["source"], task.stale) == (short_id("sub/valve.md"), "sub/valve.md", None)
    assert check_offsets(store) == []
    store.close()
