"""E-mails, mailboxes and archives: what they hold becomes documents of its own, and nothing they hold breaks out."""

import contextlib
import gzip
import io
import stat
import tarfile
import zipfile
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from doyen.core.errors import InputError, UnreadableDocument
from doyen.core.store.schema import DocumentRow
from doyen.ingestion.ingest import ingest, ingest_bytes
from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.unpack import MOST_MEMBERS, unpack
from doyen.ingestion.removal import remove_document

LIMITS = Limits(10_000_000, 40_000_000, 100)
GOOD = "The pump runs at 2.4 bar and is serviced every 26 weeks by a technician."


def mail(subject: str = "Re: Pump seal", attached: dict[str, bytes] | None = None, html: str = "") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ann Größer <ann@plant.example>", "bob@plant.example", subject
    message["Date"] = "Tue, 05 Mar 2024 14:07:00 +0100"
    message.set_content("Use seal B.\n\n> Which seal\n> fits P-7?\n")
    if html:
        message.add_alternative(html, subtype="html")
    for name, data in (attached or {}).items():
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def zipped(members: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w:gz", *extra: tarfile.TarInfo) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for entry in extra:
            archive.addfile(entry)
    return target.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


def unpacked(data: bytes, name: str, folder, limits: Limits = LIMITS):
    found = unpack(data, name, limits, folder)
    return {inner: (folder / number).read_bytes() for inner, number in found.members}, dict(found.failed), dict(found.skipped)


def test_an_email_has_its_headers_its_text_and_its_quoted_replies():
    document = read_document(mail(), "a.eml", LIMITS)
    assert document.text == (
        "Re: Pump seal\n\nFrom: Ann Größer <ann@plant.example>\nTo: bob@plant.example\n"
        "Date: Tue, 05 Mar 2024 14:07:00 +0100\n\n"
        "Use seal B.\n\n> Which seal\n> fits P-7?"
    )
    assert (document.title, document.media_type) == ("Re: Pump seal", "message/rfc822")


def test_html_is_preferred_and_keeps_tables_and_quotes():
    html = "<table><tr><th>Part<th>Torque<th>For<tr><td>V7<td>2.7 Nm<td>P-7</table><blockquote>Which seal?</blockquote>"
    text = read_document(mail(html=html), "a.eml", LIMITS).text
    assert text.endswith("Part: V7 | Torque: 2.7 Nm | For: P-7\n\nWhich seal?")
    assert "Use seal B" not in text
    assert "Use seal B" in read_document(mail(html="<img src=x>"), "a.eml", LIMITS).text


def test_attachments_and_forwarded_emails_are_documents_beside_the_email(workspace, store, tmp_path):
    outer = EmailMessage()
    outer["Subject"] = "Fwd"
    outer.set_content("See below.")
    outer.add_attachment(GOOD.encode() + b" A", maintype="text", subtype="plain", filename="../../note.txt")
    outer.add_attachment(GOOD.encode() + b" B", maintype="text", subtype="plain", filename="note.txt")
    outer.add_attachment(b"GIF89a", maintype="image", subtype="gif", filename="logo.gif")
    inner = EmailMessage()
    inner["Subject"] = "Inner"
    inner.set_content("The inner text.")
    outer.add_attachment(inner)
    folder = tmp_path / "mails"
    folder.mkdir()
    (folder / "fwd.eml").write_bytes(outer.as_bytes())
    report = ingest(workspace, store, [folder])
    assert report.added == ["fwd.eml", "fwd.eml/note.txt", "fwd.eml/note (2).txt", "fwd.eml/attachment.eml"]
    assert report.skipped == [("fwd.eml/logo.gif", "files of type .gif are not read")]
    again = ingest(workspace, store, [folder])
    assert (sorted(again.unchanged), again.changed) == (sorted(report.added), False)
    (folder / "fwd.eml").write_bytes(mail("Re", {"other.txt": GOOD.encode()}))
    third = ingest(workspace, store, [folder])
    assert (third.updated, third.added, sorted(third.removed)) == (["fwd.eml"], ["fwd.eml/other.txt"], sorted(report.added[1:]))


BAD_MAILS = {
    "text.eml": (b"just words, no headers", "is no e-mail"),
    "binary.eml": (bytes(range(256)) * 4, "is no e-mail"),
    "empty.eml": (b"", "is empty"),
}


@pytest.mark.parametrize("name", BAD_MAILS)
def test_bad_mails_have_their_reason(name):
    data, reason = BAD_MAILS[name]
    with pytest.raises(UnreadableDocument, match=reason):
        read_document(data, name, LIMITS)


HEADS = b"From: \xff=?x?q?=FF?= <\nTo: a@[b\nSubject: =?utf-8?b?4p?=\nContent-Disposition: ;;=\n"


@settings(max_examples=80, deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from([b"", b"From: a\n", HEADS, b"Content-Type: multipart/mixed; boundary=x\n\n--x\n"])
)
def test_no_email_raises_anything_but_the_readers_error(tmp_path_factory, data, start):
    with contextlib.suppress(UnreadableDocument):
        read_document(start + data, "a.eml", LIMITS)
    with contextlib.suppress(UnreadableDocument):
        unpack(start + data, "a.eml", LIMITS, tmp_path_factory.mktemp("mail"))


def test_parts_nested_without_end_are_refused_or_read(tmp_path):
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(5_000))
    with contextlib.suppress(UnreadableDocument):
        read_document(nested, "a.eml", LIMITS)


def test_a_mailbox_gives_its_emails_names_that_stay(tmp_path):
    first, second = mail("Pump: seal/B"), mail("Valve") + b"\n>From the plant\n"
    box = b"From a Tue Mar  5 14:07:00 2024\n" + first + b"\nFrom b Tue Mar  5 15:07:00 2024\n" + second
    (one, two) = unpacked(box, "in.mbox", tmp_path)[0].items()
    assert one[0].startswith("Pump seal B ")
    assert two[0].startswith("Valve ")
    assert b"\nFrom the plant" in two[1]
    with pytest.raises(UnreadableDocument, match="no mailbox"):
        unpack(b"words", "in.mbox", LIMITS, tmp_path)


PACKERS = {"a.zip": zipped, "a.tar": lambda members: tarred(members, "w"), "a.tar.gz": tarred, "a.tgz": tarred}


@pytest.mark.parametrize("name", PACKERS)
def test_members_are_documents_named_below_the_archive(workspace, store, tmp_path, name):
    folder = tmp_path / "documents"
    folder.mkdir()
    inner = zipped({"deep/b.md": b"# Deep\n\n" + GOOD.encode()})
    members = {"in/a.txt": GOOD.encode(), "more.zip": inner, "p.gif": b"x", ".hidden.txt": b"x", "__MACOSX/a.txt": b"x"}
    (folder / name).write_bytes(PACKERS[name](members))
    report = ingest(workspace, store, [folder])
    assert report.added == [f"{name}/in/a.txt", f"{name}/more.zip/deep/b.md"]
    assert (report.failed, report.skipped) == ([], [(f"{name}/p.gif", "files of type .gif are not read")])
    assert sorted(ingest(workspace, store, [folder]).unchanged) == report.added
    with store.session() as session:
        paths = {row.path for row in session.scalars(select(DocumentRow))}
    assert paths == {str(folder / name / "in/a.txt"), str(folder / name / "more.zip/deep/b.md")}


def test_an_archive_that_changes_takes_its_members_along_and_a_damaged_one_keeps_them(workspace, store, tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    archive = folder / "a.zip"
    archive.write_bytes(zipped({f"{n}.txt": f"{GOOD} {n}".encode() for n in range(8)}))
    assert len(ingest(workspace, store, [folder]).added) == 8
    archive.write_bytes(zipped({"0.txt": GOOD.encode(), "1.txt": f"{GOOD} 1".encode()}))
    report = ingest(workspace, store, [archive])
    assert (report.updated, report.unchanged, len(report.removed), report.missing) == (["a.zip/0.txt"], ["a.zip/1.txt"], 6, [])
    archive.write_bytes(archive.read_bytes()[:-60])
    report = ingest(workspace, store, [folder])
    assert (report.removed, report.n_documents) == ([], 2)
    assert "damaged or cut-off ZIP archive" in report.failed[0][1]
    (folder / "c.txt").write_text("Another file that stays in the folder.")
    archive.unlink()
    assert ingest(workspace, store, [folder]).removed == ["a.zip/0.txt", "a.zip/1.txt"]


def test_a_removed_member_stays_away_until_its_archive_is_named(workspace, store, tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.zip").write_bytes(zipped({"x.txt": GOOD.encode(), "y.txt": b"Another text about valves."}))
    ingest(workspace, store, [folder])
    remove_document(store, "a.zip/x.txt")
    report = ingest(workspace, store, [folder])
    assert (report.added, report.unchanged) == ([], ["a.zip/y.txt"])
    assert report.skipped[0][0] == "a.zip/x.txt"
    assert ingest(workspace, store, [folder / "a.zip"]).added == ["a.zip/x.txt"]


def test_members_of_an_archive_keep_their_sources_when_another_folder_is_read(workspace, store, tmp_path):
    for root in ("one", "two"):
        (tmp_path / root).mkdir()
    (tmp_path / "one/a.zip").write_bytes(zipped({"x.txt": GOOD.encode()}))
    ingest(workspace, store, [tmp_path / "one"])
    (tmp_path / "two/a.zip").write_bytes(zipped({"x.txt": b"Quite another text."}))
    assert ingest(workspace, store, [tmp_path / "two"]).added == ["two/a.zip/x.txt"]


HOSTILE = {
    "../up.txt": b"x",
    "/etc/abs.txt": b"x",
    "C:\\win.txt": b"x",
    "a/../../b.txt": b"x",
    "x" * 500 + ".txt": b"x",
    "n\x07.txt": b"x",
}


@pytest.mark.parametrize("name", PACKERS)
def test_names_that_lead_out_are_failures_and_nothing_is_written_there(tmp_path, name):
    folder = tmp_path / "in" / "folder"
    folder.mkdir(parents=True)
    members, failed, _ = unpacked(PACKERS[name]({**HOSTILE, "good.txt": b"good"}), name, folder)
    assert members == {"good.txt": b"good"}
    assert len(failed) == len(HOSTILE)
    assert all("leads out of the archive" in reason for reason in failed.values())
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["0"]


def test_links_and_devices_are_failures(tmp_path):
    extra = link("l.txt", "/etc/passwd"), link("h.txt", "a.txt", tarfile.LNKTYPE), link("d.txt", "", tarfile.CHRTYPE)
    members, failed, _ = unpacked(tarred({"a.txt": b"a"}, "w", *extra), "a.tar", tmp_path)
    assert set(members) == {"a.txt"}
    assert set(failed) == {"l.txt", "h.txt", "d.txt"}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        entry = zipfile.ZipInfo("l.txt")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    assert "a link or a device" in unpacked(target.getvalue(), "a.zip", tmp_path)[1]["l.txt"]


def test_encrypted_and_damaged_members_are_failures_and_the_others_are_read(tmp_path):
    data = bytearray(zipped({"a.txt": b"first words", "b.txt": b"second words", "c.txt": b"third words"}))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[second + 8] |= 1  # the flag of encryption of b.txt in the central directory
    data[data.index(b"c.txt") + 6] ^= 0xFF
    members, failed, _ = unpacked(bytes(data), "a.zip", tmp_path)
    assert set(members) == {"a.txt"}
    assert "encrypted" in failed["b.txt"]
    assert "damaged in the archive" in failed["c.txt"]


def nested(depth: int) -> bytes:
    data = zipped({"x.txt": b"x"})
    for _ in range(depth):
        data = zipped({"in.zip": data})
    return data


def test_archives_within_archives_have_a_depth(tmp_path):
    assert set(unpacked(nested(2), "a.zip", tmp_path)[0]) == {"in.zip/in.zip/x.txt"}
    members, failed, _ = unpacked(nested(3), "a.zip", tmp_path)
    assert members == {}
    assert failed == {"in.zip/in.zip/in.zip": "archives are nested more than 3 deep: unpack it"}


BOMBS = {
    "large.zip": lambda: zipped({f"{n}.txt": b" " * 9_000_000 for n in range(20)}),
    "large.tgz": lambda: tarred({f"{n}.txt": b" " * 9_000_000 for n in range(20)}),
    "passed.tgz": lambda: tarred({"a.gif": b" " * 90_000_000, "b.txt": b"x"}),
    "nested.zip": lambda: zipped({f"{n}.zip": zipped({"a.txt": b" " * 9_000_000}) for n in range(20)}),
    "zeros.tar.gz": lambda: gzip.compress(bytes(200_000_000), 1),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_unpacks_to_no_more_than_its_size_allows(tmp_path, name):
    with contextlib.suppress(UnreadableDocument):
        found = unpack(BOMBS[name](), name, LIMITS, tmp_path)
        assert "" in dict(found.failed) or not found.members
        assert "unpacks to more than" in dict(found.failed).get("", "unpacks to more than")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 40_000_000


def test_too_many_files_and_too_large_ones_are_told(tmp_path):
    found = unpack(zipped({f"{n}.txt": b"x" for n in range(MOST_MEMBERS + 5)}), "a.zip", LIMITS, tmp_path)
    assert len(found.members) == MOST_MEMBERS
    assert "more than 10,000 files" in dict(found.failed)[""]
    small = Limits(1_000_000, 4_000_000, 100)
    assert (
        "more than ingestion.max_file_mb = 1"
        in unpacked(zipped({"a.txt": b"x" * 1_500_000}), "b.zip", tmp_path, small)[1]["a.txt"]
    )


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(PACKERS)), st.integers(0, 2_000), st.binary(max_size=8), st.integers(0, 8), st.booleans())
def test_no_damage_to_an_archive_raises_anything_but_the_readers_error(tmp_path_factory, name, place, noise, removed, whole):
    data = PACKERS[name]({"a.txt": b"words " * 40, "b/c.md": b"# T\n\nmore"}) if whole else b""
    place %= len(data) + 1
    with contextlib.suppress(UnreadableDocument):
        unpack(data[:place] + noise + data[place + removed :], name, LIMITS, tmp_path_factory.mktemp("archive"))


def test_a_bomb_in_a_folder_fails_alone_and_in_the_readers_process(workspace, store, tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "bomb.tgz").write_bytes(gzip.compress(bytes(300_000_000), 1))
    (folder / "good.txt").write_text(GOOD)
    report = ingest(workspace, store, [folder])
    assert report.added == ["good.txt"]
    assert report.failed[0][0] == "bomb.tgz"


def test_an_uploaded_archive_and_email_give_documents_and_replace_their_earlier_ones(workspace, store):
    first = ingest_bytes(
        workspace, store, "set/a.zip", zipped({"x.txt": GOOD.encode(), "y.txt": b"Another text.", "z.pdf": b"no"})
    )
    assert first.added == ["set/a.zip/x.txt", "set/a.zip/y.txt"]
    assert first.failed[0][0] == "set/a.zip/z.pdf"
    second = ingest_bytes(workspace, store, "set/a.zip", zipped({"x.txt": GOOD.encode()}))
    assert (second.unchanged, second.removed) == (["set/a.zip/x.txt"], ["set/a.zip/y.txt"])
    assert ingest_bytes(workspace, store, "m.eml", mail(attached={"x.txt": b"A third text."})).added == ["m.eml", "m.eml/x.txt"]
    for data, reason in [(b"PK\x03\x04 cut", "damaged or cut-off"), (zipped({"p.gif": b"x"}), "none of its files can be read")]:
        with pytest.raises(InputError, match=reason):
            ingest_bytes(workspace, store, "b.zip", data)
