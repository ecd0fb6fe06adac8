"""Groups by folder, by the file beside a document, and by the API."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.old_schema import database_of

from doyen.core.errors import InputError, NotFoundError, SettingsError
from doyen.core.store import Store, open_store
from doyen.core.store.document_access import Assigned, groups_of
from doyen.core.store.schema import AccessOrigin, AnswerRow, DocumentRow
from doyen.core.workspace import FILE_NAME, Workspace, create_workspace
from doyen.ingestion.access_rules import apply_rules
from doyen.ingestion.ingest import ingest, ingest_bytes
from doyen.ingestion.removal import remove_document
from doyen.platform.documents import set_document_groups

RULES = """name = "test"
[[ingestion.access]]
folder = "hr"
groups = ["hr", "board"]
[[ingestion.access]]
folder = "hr/open"
groups = []
[[ingestion.access]]
folder = "../documents/secret"
groups = ["board"]
"""


def write(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n\nThe text of {name}.\n")
    return folder


def with_rules(workspace: Workspace, text: str = RULES) -> Workspace:
    (workspace.root / FILE_NAME).write_text(text)
    return Workspace(workspace.root)


def groups(store: Store) -> dict[str, set[str]]:
    with store.session() as session:
        rows = session.scalars(sa.select(DocumentRow)).all()
        known = groups_of(session, [row.document_id for row in rows])
        return {row.source: set(known[row.document_id]) for row in rows}


def test_the_nearest_folder_counts_and_others_are_open(workspace, store, tmp_path):
    folder = write(tmp_path / "documents", "hr/a.md", "hr/open/b.md", "secret/c.md", "d.md")
    report = ingest(with_rules(workspace), store, [folder])
    assert groups(store) == {"hr/a.md": {"hr", "board"}, "hr/open/b.md": set(), "secret/c.md": {"board"}, "d.md": set()}
    assert report.unused_folders == []


def test_a_rule_also_counts_for_a_folder_that_may_not_be_entered():
    """Root may enter every folder, so the test gives up its rights."""
    base = Path(tempfile.mkdtemp())
    workspace = create_workspace(base / "space")
    folder = write(base / "documents", "hr/a.md", "hr/b.md")
    (folder / "hr" / "b.md.access.toml").write_text('groups = ["works-council"]\n')
    store = open_store(workspace)
    ingest(workspace, store, [folder])
    as_root = os.geteuid() == 0
    if as_root:
        for path in [base, *base.rglob("*")]:
            os.chown(path, 65534, 65534)
    (folder / "hr").chmod(0)
    if as_root:
        os.seteuid(65534)
    try:
        ingest(with_rules(workspace), store, [folder])
        assert groups(store) == {"hr/a.md": {"hr", "board"}, "hr/b.md": {"works-council"}}
    finally:
        if as_root:
            os.seteuid(0)
        (folder / "hr").chmod(0o755)
        store.close()
        shutil.rmtree(base)


def test_a_folder_is_found_whatever_path_its_documents_came_by(workspace, store, tmp_path):
    """A folder that is ingested itself gives sources without its name."""
    folder = write(tmp_path / "documents", "secret/c.md")
    ingest(with_rules(workspace), store, [folder / "secret"])
    assert groups(store) == {"c.md": {"board"}}


def test_uploads_have_the_groups_of_their_folder(workspace, store):
    ruled = with_rules(workspace)
    ingest_bytes(ruled, store, "hr/x.md", b"# X\n\nText.\n")
    ingest_bytes(ruled, store, "hra/y.md", b"# Y\n\nOther.\n")
    assert groups(store) == {"hr/x.md": {"hr", "board"}, "hra/y.md": set()}


def test_the_whole_workspace_can_be_closed(workspace, store, tmp_path):
    rules = '[[ingestion.access]]\nfolder = "."\ngroups = ["staff"]\n[[ingestion.access]]\nfolder = "open"\ngroups = []\n'
    ingest(with_rules(workspace, rules), store, [write(tmp_path / "documents", "a/b/c.md", "open/d.md")])
    assert groups(store) == {"a/b/c.md": {"staff"}, "open/d.md": set()}


def test_a_file_beside_a_document_comes_first_and_is_no_document(workspace, store, tmp_path):
    folder = write(tmp_path / "documents", "hr/a.md", "hr/b.md")
    (folder / "hr" / "a.md.access.toml").write_text('groups = ["works council"]\n'.replace(" council", "-council"))
    (folder / "hr" / "b.md.access.toml").write_text("groups = []\n")
    report = ingest(with_rules(workspace), store, [folder])
    assert groups(store) == {"hr/a.md": {"works-council"}, "hr/b.md": set()}
    assert report.skipped == []
    (folder / "hr" / "b.md.access.toml").unlink()
    report = ingest(with_rules(workspace), store, [folder])
    assert groups(store)["hr/b.md"] == {"hr", "board"}
    assert report.regrouped == ["hr/b.md"]
    assert report.unchanged == ["hr/a.md", "hr/b.md"]


@pytest.mark.parametrize(
    "text", ["groups = hr", "groups = 'hr'", "", "group = ['hr']", "groups = ['a, b']", "\xff", "groups = ['']"]
)
def test_a_document_whose_readers_nobody_knows_is_not_taken_in(workspace, store, tmp_path, text):
    folder = write(tmp_path / "documents", "a.md")
    (folder / "a.md.access.toml").write_text(text, encoding="latin-1")
    report = ingest(workspace, store, [folder])
    assert groups(store) == {}
    ((source, reason),) = report.failed
    assert source == "a.md"
    assert "a.md.access.toml beside it does not say who may read it" in reason


def test_a_broken_file_beside_a_known_document_changes_nothing(workspace, store, tmp_path):
    folder = write(tmp_path / "documents", "a.md")
    beside = folder / "a.md.access.toml"
    beside.write_text('groups = ["hr"]\n')
    ingest(workspace, store, [folder])
    beside.write_text("groups = [\n")
    report = ingest(workspace, store, [folder])
    assert [source for source, _ in report.failed] == ["a.md"]
    assert groups(store) == {"a.md": {"hr"}}


def test_what_an_archive_holds_has_the_groups_of_the_file_beside_it(workspace, store, tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    with zipfile.ZipFile(folder / "pay.zip", "w") as archive:
        for name in ("a.md", "deep/b.md", "a.md.access.toml"):
            archive.writestr(name, "groups = []\n" if name.endswith("toml") else f"# {name}\n\nThe text of {name}.\n")
    beside = folder / "pay.zip.access.toml"
    beside.write_text('groups = ["hr"]\n')
    ingest(workspace, store, [folder])
    assert groups(store) == {"pay.zip/a.md": {"hr"}, "pay.zip/deep/b.md": {"hr"}}
    beside.write_text('groups = ["board"]\n')
    assert ingest(workspace, store, [folder]).regrouped == ["pay.zip/a.md", "pay.zip/deep/b.md"]
    (folder / "pay.zip").rename(tmp_path / "away.zip")
    beside.unlink()
    assert apply_rules(workspace, store).changed == []


def archive(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as opened:
        for name in names:
            opened.writestr(name, f"# {name}\n\nThe text of {name}.\n")
    return target.getvalue()


HR, BOARD = (Assigned(frozenset({name}), AccessOrigin.API) for name in ("hr", "board"))


def test_what_is_new_in_an_archive_has_the_groups_that_the_archive_was_uploaded_with(workspace, store):
    ingest_bytes(workspace, store, "pay.zip", archive("a.md", "b.md"), assigned=HR)
    set_document_groups(workspace, store, "pay.zip/a.md", ["board"])
    report = ingest_bytes(workspace, store, "pay.zip", archive("a.md", "renamed/b.md", "in.zip/c.md"))
    assert (report.added, report.removed) == (["pay.zip/renamed/b.md", "pay.zip/in.zip/c.md"], ["pay.zip/b.md"])
    closed = {"pay.zip/a.md": {"board"}, "pay.zip/in.zip/c.md": {"hr"}, "pay.zip/renamed/b.md": {"hr"}}
    assert groups(store) == closed
    assert apply_rules(workspace, store).changed == []
    ingest_bytes(workspace, store, "pay.zip", archive("a.md", "renamed/b.md", "in.zip/c.md"))
    assert groups(store) == closed
    ingest_bytes(workspace, store, "pay.zip", archive("a.md", "d.md"), assigned=BOARD)
    assert groups(store) == {"pay.zip/a.md": {"board"}, "pay.zip/d.md": {"board"}}


def test_what_is_new_in_an_archive_has_the_groups_that_all_its_documents_were_given(workspace, store):
    """Archives that were uploaded without groups, and before this was noted of them."""
    ingest_bytes(workspace, store, "pay.zip", archive("a.md", "b.md"))
    ingest_bytes(workspace, store, "pay.zip", archive("a.md", "b.md", "open.md"))
    assert groups(store) == {"pay.zip/a.md": set(), "pay.zip/b.md": set(), "pay.zip/open.md": set()}
    for name in ("a.md", "b.md", "open.md"):
        set_document_groups(workspace, store, f"pay.zip/{name}", ["hr"])
    ingest_bytes(workspace, store, "pay.zip", archive("renamed.md"))
    assert groups(store) == {"pay.zip/renamed.md": {"hr"}}


def test_what_is_new_in_an_archive_whose_documents_differ_is_not_taken_in(workspace, store):
    ingest_bytes(workspace, store, "pay.zip", archive("a.md", "b.md"))
    set_document_groups(workspace, store, "pay.zip/a.md", ["hr"])
    report = ingest_bytes(workspace, store, "pay.zip", archive("a.md", "b.md", "c.md"))
    assert (report.unchanged, [name for name, _ in report.failed]) == (["pay.zip/a.md", "pay.zip/b.md"], ["pay.zip/c.md"])
    assert "upload it by itself under this name, with `groups`" in report.failed[0][1]
    assert groups(store) == {"pay.zip/a.md": {"hr"}, "pay.zip/b.md": set()}
    ingest_bytes(workspace, store, "pay.zip/c.md", b"# C\n\nText.\n", assigned=BOARD)
    assert ingest_bytes(workspace, store, "pay.zip", archive("a.md", "b.md", "c.md")).failed == []
    assert groups(store) == {"pay.zip/a.md": {"hr"}, "pay.zip/b.md": set(), "pay.zip/c.md": {"board"}}


def test_a_new_attachment_has_the_groups_of_its_email(workspace, store):
    def mail(*names: str) -> bytes:
        message = EmailMessage()
        message["Subject"] = "Salaries"
        message.set_content("See below.")
        for name in names:
            message.add_attachment(f"# {name}\n\nText of {name}.\n", filename=name)
        return message.as_bytes()

    ingest_bytes(workspace, store, "pay.eml", mail("a.md"))
    set_document_groups(workspace, store, "pay.eml", ["hr"])
    ingest_bytes(workspace, store, "pay.eml", mail("a.md", "b.md"))
    assert groups(store) == {"pay.eml": {"hr"}, "pay.eml/a.md": set(), "pay.eml/b.md": {"hr"}}
    set_document_groups(workspace, store, "pay.eml", None)
    ingest_bytes(workspace, store, "pay.eml", mail("a.md", "b.md", "c.md"))
    assert groups(store)["pay.eml/b.md"] == {"hr"}
    assert "pay.eml/c.md" not in groups(store)


def test_the_file_beside_a_document_cannot_be_uploaded_as_one(workspace, store):
    with pytest.raises(InputError, match="give that one's upload its groups"):
        ingest_bytes(workspace, store, "a.md.access.toml", b"groups = []")


def test_a_folder_that_is_not_mounted_opens_nothing(workspace, store, tmp_path):
    folder = write(tmp_path / "documents", "a.md")
    (folder / "a.md.access.toml").write_text('groups = ["hr"]\n')
    ingest(workspace, store, [folder])
    folder.rename(tmp_path / "elsewhere")
    assert apply_rules(workspace, store).changed == []
    assert groups(store) == {"a.md": {"hr"}}


def test_what_the_api_says_stays(workspace, store, tmp_path):
    folder = write(tmp_path / "documents", "hr/a.md")
    ruled = with_rules(workspace)
    ingest(ruled, store, [folder])
    assert set_document_groups(ruled, store, "hr/a.md", ["ceo"]) == {"ceo"}
    write(folder, "hr/a.md")
    (folder / "hr" / "a.md").write_text("# Changed\n\nOther text.\n")
    ingest(ruled, store, [folder])
    assert groups(store) == {"hr/a.md": {"ceo"}}
    remove_document(store, "hr/a.md")
    ingest(ruled, store, [folder], restore=True)
    assert groups(store) == {"hr/a.md": {"ceo"}}, "a document that comes back is as closed as it was"
    assert set_document_groups(ruled, store, "hr/a.md", None) == {"hr", "board"}
    assert groups(store) == {"hr/a.md": {"hr", "board"}}
    with pytest.raises(InputError, match="cannot be a group's name"):
        set_document_groups(ruled, store, "hr/a.md", ["a,b"])
    with pytest.raises(NotFoundError):
        set_document_groups(ruled, store, "nothing.md", ["a"])


def test_a_folder_without_documents_is_named(workspace, store, tmp_path):
    rules = '[[ingestion.access]]\nfolder = "hrr"\ngroups = ["hr"]\n'
    assert ingest(with_rules(workspace, rules), store, [write(tmp_path / "d", "hr/a.md")]).unused_folders == ["hrr"]


def test_a_wrong_group_is_a_settings_error(workspace):
    with pytest.raises(SettingsError, match=r"ingestion\.access\.0\.groups\.0"):
        _ = with_rules(workspace, '[[ingestion.access]]\nfolder = "hr"\ngroups = ["a, b"]\n').settings


def test_documents_and_answers_of_an_older_workspace_are_open_and_the_owners(workspace):
    with database_of(workspace, "0012") as connection:
        columns = "document_id, source, root, path, version, title, media_type, size, modified_ns, settings_fingerprint"
        values = "'d', 'hr/a.md', '/r', '/r/hr/a.md', 'v', 'A', 'text/plain', 3, 1, 'f'"
        connection.execute(sa.text(f"INSERT INTO documents ({columns}, near_group, ingested_at) VALUES ({values}, 'd', 'now')"))
        columns = "answer_id, question, history, answer, mode, model, abstained, passages, citations, created_at"
        values = "'a', 'q', '[]', '26', 'rag', 'm', 0, '[]', '[]', '2025-01-01'"
        connection.execute(sa.text(f"INSERT INTO answers ({columns}) VALUES ({values})"))
    store = open_store(workspace)
    assert groups(store) == {"hr/a.md": set()}
    with store.session() as session:
        assert session.scalars(sa.select(AnswerRow)).one().caller == ""
    assert apply_rules(with_rules(workspace), store).changed == ["hr/a.md"]
    assert groups(store) == {"hr/a.md": {"hr", "board"}}
    store.close()
