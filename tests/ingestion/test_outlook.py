"""E-mails that Outlook saved (MSG): read like any other, attachments and forwarded ones with them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.outlook import attached_message, attachment, message, outlook_mail

from doyen.core.errors import UnreadableDocument
from doyen.ingestion.ingest import ingest
from doyen.ingestion.readers import read_document
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.readers.unpack import unpack

LIMITS = Limits(10_000_000, 40_000_000, 100)
HEADERS = (
    "From: Ann Größer <ann@plant.example>\nTo: Bob <bob@plant.example>\nCc: Carla Núñez\nDate: Tue, 05 Mar 2024 13:07:00 +0000"
)
LONG = "The pump runs at 2.4 bar and is serviced every 26 weeks. " * 100


def test_it_is_read_as_any_email():
    document = read_document(
        outlook_mail("Re: Pump seal", text="Use seal B.\r\n\r\n> Which seal fits P-7?\r\n"), "a.msg", LIMITS
    )
    assert document.text == f"Re: Pump seal\n\n{HEADERS}\n\nUse seal B.\n\n> Which seal fits P-7?"
    assert (document.title, document.media_type) == ("Re: Pump seal", "message/rfc822")


def test_html_is_preferred():
    html = "<table><tr><th>Part<th>Torque<tr><td>Größe 7<td>2.7 Nm</table>".encode()
    text = read_document(outlook_mail("Torques", text="in plain", html=html), "a.msg", LIMITS).text
    assert text.endswith("Part: Größe 7 | Torque: 2.7 Nm")
    assert "in plain" not in text


def test_a_text_that_is_there_as_rtf_alone_is_noted():
    document = read_document(outlook_mail("Torques", rtf=b"{packed}"), "a.msg", LIMITS)
    assert document.text == f"Torques\n\n{HEADERS}"
    assert document.notes == ("its text is there as RTF alone, which is not read: save it as .eml",)


def test_attachments_are_documents_beside_it(workspace, store, tmp_path):
    inner = message("Inner", text="The inner text.", attached=[attachment("deep.txt", b"The deepest text.")])
    attached = [
        attachment("Prüfplan.txt", LONG.encode()),
        attachment("logo.png", b"\x89PNG", in_text=True),
        attachment("offer.xyz", b"x"),
        attached_message(inner),
    ]
    (tmp_path / "mails").mkdir()
    (tmp_path / "mails" / "fwd.msg").write_bytes(outlook_mail("Fwd", text=LONG, attached=attached))
    report = ingest(workspace, store, [tmp_path / "mails"])
    assert report.failed == []
    inside = ["fwd.msg/Prüfplan.txt", "fwd.msg/attachment.eml", "fwd.msg/attachment.eml/deep.txt"]
    assert report.added == ["fwd.msg", *inside]
    assert report.skipped == [("fwd.msg/offer.xyz", "files of type .xyz are not read")]
    assert sorted(ingest(workspace, store, [tmp_path / "mails"]).unchanged) == sorted(report.added)


def test_what_is_none_or_damaged_has_its_reason():
    with pytest.raises(UnreadableDocument, match=r"named \.msg but is none"):
        read_document(b"just words", "a.msg", LIMITS)
    whole = outlook_mail("Cut", text=LONG)
    for data in (whole[:-3000], whole[:300]):
        with pytest.raises(UnreadableDocument, match="damaged e-mail of Outlook"):
            read_document(data, "a.msg", LIMITS)
    nested = message("0", text="x")
    for number in range(5):
        nested = message(str(number), text="x", attached=[attached_message(nested)])
    with pytest.raises(UnreadableDocument, match="more than 5 deep"):
        read_document(outlook_mail("Deep", attached=[attached_message(nested)]), "a.msg", LIMITS)


WHOLE = outlook_mail("Fwd", text="Use seal B.", attached=[attachment("a.txt", LONG.encode())])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(WHOLE)), st.binary(max_size=60), st.integers(0, 600))
def test_no_damage_raises_anything_but_the_readers_error(tmp_path_factory, place, noise, removed):
    data = WHOLE[:place] + noise + WHOLE[place + removed :]
    with contextlib.suppress(UnreadableDocument):
        read_document(data, "a.msg", LIMITS)
    with contextlib.suppress(UnreadableDocument):
        unpack(data, "a.msg", LIMITS, tmp_path_factory.mktemp("mail"))
