"""A workspace in one archive and back: whole, without secrets, beside writers, killed anywhere, and from other versions."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import zipfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.archives import members_of, rewrite
from support.command_line import run_doyen
from support.old_schema import database_of

from doyen import Doyen
from doyen.core.errors import Busy, IncompatibleError, InputError
from doyen.core.progress import Silent
from doyen.core.records import Pair
from doyen.core.report_files import register_report, report_folders
from doyen.core.store import open_store
from doyen.core.store.database import REVISIONS
from doyen.core.store.schema import Base, DocumentRow
from doyen.core.workspace import FILE_NAME, Workspace, create_workspace
from doyen.finetune.registry import Registry
from doyen.ingestion.access_rules import apply_rules
from doyen.ingestion.ingest import ingest
from doyen.ingestion.originals import keep_original
from doyen.platform.backup.archive_format import DATABASE_MEMBER, MANIFEST, open_archive
from doyen.platform.backup.restore import restore_backup
from doyen.platform.backup.snapshot import FOLDERS
from doyen.platform.backup.write_backup import back_up
from doyen.platform.serving.keys import KeyRing

SECRETS = ("owner-canary", "judge-canary", "studio-canary", "hook-canary", "comment-canary", "url-canary")
SETTINGS = """name = "law"  # the domain
# old: api_key = "comment-canary"
[serving]
api_key = "owner-canary"
port = 9000
[eval]
judge_api_key = "judge-canary"
[annotation]
label_studio_url = "http://ann:url-canary@127.0.0.1:9"
label_studio_api_key = "studio-canary"
webhook_secret = "hook-canary"
[[ingestion.access]]
folder = "../documents/hr"
groups = ["hr"]
"""


def fill(folder: Path) -> Workspace:
    """Make a workspace that has something of everything, but no index."""
    workspace = create_workspace(folder / "space", "law")
    for name, text in {"hr/pay.md": "# Pay\n\nThe judge earns 9,000 euro.", "open.md": "# Menu\n\nThere is soup."}.items():
        path = folder / "documents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with Doyen(workspace) as doyen:
        doyen.annotate.create("qa", "prompt-response")
        pairs = [Pair(id=f"p{n}", prompt=f"What earns judge {n}?", response=f"{n} euro", annotator="ada") for n in range(12)]
        doyen.annotate.import_pairs("qa", pairs)
        doyen.build_dataset("qa", project="qa")
        (folder / "weights").mkdir()
        (folder / "weights" / "adapter_model.safetensors").write_bytes(random.Random(5).randbytes(3_000_000))
        Registry(workspace, doyen.store).register(
            "law", folder / "weights", base_model="m", dataset_id="d", manifest={"inputs": {"base": "b"}, "fingerprint": "f"}
        )
        report = folder / "out" / "first"
        report.mkdir(parents=True)
        (report / "report.json").write_text('{"manifest": {"created_at": "2026"}, "modes": {}}')
        register_report(workspace.reports_folder, report)
        keep_original(workspace, "0" * 64, b"%PDF-1.7 an upload")
    (workspace.root / FILE_NAME).write_text(SETTINGS)
    made = Workspace(workspace.root)
    with closing(open_store(made)) as store:
        ingest(made, store, [folder / "documents"])
    return made


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace that tests back up; they must not change it."""
    return fill(tmp_path_factory.mktemp("filled"))


@pytest.fixture(scope="module")
def archive(space: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its backup; tests must not change it."""
    file = tmp_path_factory.mktemp("archive") / "law.zip"
    with closing(open_store(space)) as store:
        back_up(space, store, file)
    return file


def rows(workspace: Workspace) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of all tables."""
    with closing(open_store(workspace)) as store, store.engine.connect() as connection:
        tables = Base.metadata.tables.values()
        return {table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr) for table in tables}


def files(workspace: Workspace) -> dict[str, bytes]:
    """Return what lies in the state folder beside the database and locks."""
    found = {path.relative_to(workspace.state).as_posix(): path for path in workspace.state.rglob("*") if path.is_file()}
    for name, folder in report_folders(workspace.reports_folder).items():
        found |= {f"reports/{name}/{path.name}": path for path in folder.iterdir()}
    found = {name: path for name, path in found.items() if not name.startswith(("doyen.db", "locks")) and ".lock" not in name}
    return {name: path.read_bytes() for name, path in found.items()}


def test_a_restored_workspace_is_the_one_that_was_backed_up(space, archive, tmp_path):
    report = restore_backup(archive, tmp_path / "a" / "new")
    new = Workspace(tmp_path / "a" / "new")
    before, after = rows(space), rows(new)
    # A rule's folder is another one here: see below.
    assert {name for name in before if before[name] != after[name]} == {"document_access"}
    assert before["annotations"]
    assert before["documents"]
    assert files(new) == files(space)
    assert report.manifest.holds == {"documents": 2, "labels": 12, "datasets": 1, "adapters": 1, "reports": 1, "index": 0}
    assert sorted(path.name for path in new.root.iterdir()) == [".doyen", FILE_NAME]
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600


def test_no_folder_of_a_workspace_is_forgotten(space):
    known = {name for name in vars(Workspace) if name.endswith("_folder")}
    folders = {getattr(space, name).relative_to(space.state).as_posix() for name in known}
    assert folders - set(FOLDERS) == {"index", "reports", "snapshot", "adapters/.runs"}


def test_no_secret_is_in_the_archive_and_the_gateway_stays_closed(archive, tmp_path):
    members = members_of(archive)
    assert [(word, name) for word in SECRETS for name, data in members.items() if word.encode() in data] == []
    removed = json.loads(members[MANIFEST])["removed_settings"]
    assert sorted(removed) == [
        "annotation.label_studio_api_key",
        "annotation.label_studio_url",
        "annotation.webhook_secret",
        "eval.judge_api_key",
        "serving.api_key",
    ]
    report = restore_backup(archive, tmp_path / "new")
    ring = KeyRing(Workspace(tmp_path / "new"))
    assert ring.access(None) is None
    assert ring.access("owner-canary") is None
    assert ring.access(report.key).admin
    assert "# the domain" in (tmp_path / "new" / FILE_NAME).read_text()


def test_documents_that_a_rule_closed_stay_closed_in_another_place(space, archive, tmp_path):
    assert restore_backup(archive, tmp_path / "deep" / "new").pinned == ["hr/pay.md"]
    new = Workspace(tmp_path / "deep" / "new")
    with closing(open_store(new)) as store:
        assert apply_rules(new, store).changed == []
    assert rows(new)["document_groups"] == rows(space)["document_groups"] != []


def test_documents_that_moved_along_are_known_again(space, archive, tmp_path):
    shutil.copytree(space.root.parent / "documents", tmp_path / "documents")
    report = restore_backup(
        archive, tmp_path / "new", moved_folders={str(space.root.parent / "documents"): tmp_path / "documents"}
    )
    assert (report.moved, report.pinned) == (2, [])
    new = Workspace(tmp_path / "new")
    with closing(open_store(new)) as store:
        found = ingest(new, store, [tmp_path / "documents"])
    assert (sorted(found.unchanged), found.added, found.regrouped) == (["hr/pay.md", "open.md"], [], [])
    assert rows(new)["document_groups"] == rows(space)["document_groups"]
    with pytest.raises(InputError, match=r"no document was read from /elsewhere: folders were /.*documents"):
        restore_backup(archive, tmp_path / "other", moved_folders={"/elsewhere": tmp_path})
    assert run_doyen("restore", archive, tmp_path / "other", "--moved", "nowhere").code == 2
    assert not (tmp_path / "other").exists()


def test_a_backup_is_what_was_there_when_it_began(tmp_path):
    workspace = fill(tmp_path)
    store = open_store(workspace)

    class Meanwhile(Silent):
        """Changes the workspace as soon as the archive is being written."""

        done = False

        @contextmanager
        def bar(self, title, total):
            class Bar:
                def advance(bar, amount=1, note=""):
                    if not self.done:
                        self.done = True
                        self.change()

            yield Bar()

        def change(self):
            Registry(workspace, store).delete("law:1")
            shutil.rmtree(workspace.annotation_folder)
            (tmp_path / "documents" / "new.md").write_text("# New\n\nIt came too late.")
            with workspace.lock("ingestion"):
                ingest(workspace, store, [tmp_path / "documents"])

    before, here = rows(workspace), files(workspace)
    back_up(workspace, store, tmp_path / "b.zip", reporter=Meanwhile())
    assert not Registry(workspace, store).list()
    store.close()
    restore_backup(tmp_path / "b.zip", tmp_path / "new")
    assert rows(Workspace(tmp_path / "new")) == before
    assert files(Workspace(tmp_path / "new")) == here
    assert not workspace.snapshot_folder.exists()


def test_a_backup_waits_for_no_one_longer_than_asked(space, tmp_path):
    with closing(open_store(space)) as store, space.lock("ingestion"):
        with pytest.raises(Busy, match=r"cannot start the backup: .*ingestion"):
            back_up(space, store, tmp_path / "b.zip", wait_s=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["backup", "restore"])
def test_killed_at_any_step_there_is_the_old_or_the_new(space, archive, tmp_path, kind):
    target = tmp_path / ("b.zip" if kind == "backup" else "new")
    if kind == "backup":
        shutil.copy(archive, target)
    script = Path(__file__).with_name("killed_anywhere.py")
    command = [sys.executable, script, kind, space.root if kind == "backup" else archive, target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    *killed, last = json.loads(done.stdout)
    assert len(killed) > 10
    assert last["ended"] == 0
    assert {each["ended"] for each in killed} == {-9}
    with open_archive(archive) as opened:
        old = opened.manifest.created_at if kind == "backup" else None
    assert {each["state"] for each in killed} == {old}
    assert last["state"] != old
    # Nothing is left of the killed ones.
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert not space.snapshot_folder.exists()
    if kind == "restore":
        assert sorted(path.name for path in target.iterdir()) == [".doyen", FILE_NAME]


def test_an_archive_of_an_older_schema_is_migrated(archive, tmp_path):
    old = Workspace(tmp_path / "old")
    old.root.mkdir()
    (old.root / FILE_NAME).touch()
    with database_of(old, "0008") as connection:
        columns = "document_id, source, root, path, version, title, media_type, size, modified_ns, settings_fingerprint"
        values = "'d', 'a.md', '/r', '/r/a.md', 'v', 'A', 'text/plain', 3, 1, 'f'"
        connection.execute(sa.text(f"INSERT INTO documents ({columns}, near_group, ingested_at) VALUES ({values}, 'd', 'now')"))
    database = {DATABASE_MEMBER: (old.state / "doyen.db").read_bytes()}
    written = rewrite(archive, tmp_path / "old.zip", database, schema_revision="0008")
    restore_backup(written, tmp_path / "new")
    with closing(sqlite3.connect(tmp_path / "new" / ".doyen" / "doyen.db")) as opened:
        assert opened.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISIONS[-1],)]
    with closing(open_store(Workspace(tmp_path / "new"))) as store, store.session() as session:
        assert session.scalars(sa.select(DocumentRow.source)).all() == ["a.md"]


@pytest.mark.parametrize("changes", [{"schema_revision": "9999", "doyen": "7.1"}, {"format": 2, "doyen": "7.1"}])
def test_an_archive_of_a_newer_version_is_refused_with_the_remedy(archive, tmp_path, changes):
    newer = rewrite(archive, tmp_path / "newer.zip", **changes)
    with pytest.raises(IncompatibleError, match=r"upgrade doyen to 7\.1"):
        restore_backup(newer, tmp_path / "new")
    assert run_doyen("verify", newer).code == 1
    assert not (tmp_path / "new").exists()


def test_settings_of_a_newer_version_are_refused_and_nothing_is_left(archive, tmp_path):
    newer = rewrite(archive, tmp_path / "newer.zip", {FILE_NAME: b"[serving]\ntelepathy = true\n"})
    (tmp_path / "new").mkdir()
    with pytest.raises(IncompatibleError, match="telepathy"):
        restore_backup(newer, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


BELOW = ["a/./x", "/x", "a:b", "a\nb", "x" * 1000, "doyen.db/x", "DOYEN.db", "../../x"]
ELSEWHERE = ["../x", "/etc/x", "C:/x", ".doyen\\..\\x", "x", ".doyen", ".DOYEN/x"]


@pytest.mark.parametrize("name", [*ELSEWHERE, *(f".doyen/{each}" for each in BELOW)])
def test_names_never_lead_out_of_the_folder(archive, tmp_path, name):
    hostile = rewrite(archive, tmp_path / "hostile.zip", {name: b"evil"})
    with pytest.raises(InputError, match="is not a whole backup"):
        restore_backup(hostile, tmp_path / "in" / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hostile.zip"]


def test_links_and_files_that_are_not_listed_are_refused(archive, tmp_path):
    members = members_of(archive)
    link = zipfile.ZipInfo(".doyen/doyen.db")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as written:
        for name, data in members.items():
            written.writestr(link if name == link.filename else name, data)
    shutil.copy(archive, tmp_path / "more.zip")
    with zipfile.ZipFile(tmp_path / "more.zip", "a") as written:
        written.writestr(".doyen/more", b"x")
    for name in ("link.zip", "more.zip"):
        with pytest.raises(InputError, match="is not a whole backup"):
            restore_backup(tmp_path / name, tmp_path / "new")


def test_no_more_is_unpacked_than_is_listed(archive, tmp_path):
    """A member that says it is small and is not."""
    bomb = rewrite(archive, tmp_path / "bomb.zip", {".doyen/annotation/bomb": bytes(50_000_000)})
    data = bomb.read_bytes()
    real, said = (50_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    manifest = json.loads(members_of(bomb)[MANIFEST])
    manifest["files"][".doyen/annotation/bomb"]["size"] = 1000
    bomb.write_bytes(data.replace(real, said))
    with zipfile.ZipFile(bomb, "a") as written:
        del written.NameToInfo[MANIFEST]
        written.filelist = [info for info in written.filelist if info.filename != MANIFEST]
        written.writestr(MANIFEST, json.dumps(manifest))
    with pytest.raises(InputError, match="bomb"):
        restore_backup(bomb, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_flipped_bytes_never_go_unnoticed(tmp_path):
    workspace = create_workspace(tmp_path / "space", "small")
    with closing(open_store(workspace)) as store:
        back_up(workspace, store, tmp_path / "b.zip")
    data, chance = bytearray((tmp_path / "b.zip").read_bytes()), random.Random(3)
    whole, noticed = members_of(tmp_path / "b.zip"), 0
    for place in chance.sample(range(len(data)), 200):
        damaged = bytearray(data)
        damaged[place] ^= 1 << chance.randrange(8)
        (tmp_path / "damaged.zip").write_bytes(damaged)
        try:
            with open_archive(tmp_path / "damaged.zip") as opened:
                opened.check_schema()
                opened.verify()
                # Only a byte that says nothing of the content, such as a date, may pass.
                assert {name: b"".join(opened.blocks(name)) for name in opened.manifest.files} == {
                    name: content for name, content in whole.items() if name != MANIFEST
                }
        except (InputError, IncompatibleError):
            noticed += 1
    assert noticed > 150


def test_an_offset_before_the_beginning_is_damage(space, archive, tmp_path):
    data = bytearray(archive.read_bytes())
    place = data.rindex(b"PK\x05\x06") + 16
    offset = int.from_bytes(data[place : place + 4], "little") + 2**24
    data[place : place + 4] = offset.to_bytes(4, "little")
    (tmp_path / "damaged.zip").write_bytes(data)
    with pytest.raises(InputError, match="damaged at"), open_archive(tmp_path / "damaged.zip"):
        pass


def test_nothing_is_written_over(space, archive, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with closing(open_store(space)) as store:
        with pytest.raises(InputError, match="exists and is not a backup"):
            back_up(space, store, tmp_path / "notes.txt")
        with pytest.raises(InputError, match="which is what is backed up"):
            back_up(space, store, space.state / "b.zip")
    for folder in (tmp_path, space.root):
        with pytest.raises(InputError, match="is not empty"):
            restore_backup(archive, folder)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.model
def test_the_command_line_restores_an_index_that_answers(tmp_path):
    workspace = create_workspace(tmp_path / "space", "pumps")
    (tmp_path / "pump.md").write_text("# Pump\n\nThe filter is replaced every 14 months.")
    with Doyen(workspace) as doyen:
        doyen.ingest([tmp_path / "pump.md"])
    for option, problem in (("--index", None), ("--no-index", "no index")):
        file, new = tmp_path / f"b{option}.zip", tmp_path / f"new{option}"
        assert run_doyen("backup", file, option, "-w", workspace.root).code == 0
        assert run_doyen("verify", file, "--json").json["whole"]
        assert run_doyen("restore", file, new, "--json").json["workspace"] == str(new)
        found = run_doyen("search", "filter", "--json", "-w", new)
        if problem:
            assert problem in found.err
            assert run_doyen("doctor", "--repair", "-w", new).code == 0
            found = run_doyen("search", "filter", "--json", "-w", new)
        assert "14 months" in found.json["passages"][0]["text"]
    (workspace.snapshot_folder).mkdir()
    (workspace.snapshot_folder / "0").write_text("what a killed backup left")
    with Doyen(workspace) as doyen:
        doyen.remove(["pump.md"], purge=True)
    assert not workspace.snapshot_folder.exists()
    assert os.listdir(workspace.state / "locks") == ["backup.lock"]
