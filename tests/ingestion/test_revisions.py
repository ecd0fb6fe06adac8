"""Revisions read from names and first lines."""

from __future__ import annotations

import pytest

from doyen.ingestion.revisions import Revision, asks_for_earlier, find_revision, name_stem, names_revision


@pytest.mark.parametrize(
    ("source", "text", "label", "dated"),
    [
        ("service/SP-410_rev_C_pump.md", "Issued 2 October 2023.", "Revision C", "2023-10-02"),
        ("pump.pdf", "Rev. C. Valid from 1 April 2023. Printed 2024-01-09.", "Revision C", "2023-04-01"),
        ("pump.pdf", "Version 2.1 of 2024-03-05", "Version 2.1", "2024-03-05"),
        ("pumpe.docx", "Ausgabe 3, gültig ab 1. Mai 2024, geändert am 02.01.2024", "Version 3", "2024-05-01"),
        ("notes.txt", "Policy CAL-02, third issue, 15 October 2023", "Version 3", "2023-10-15"),
        ("price-list-2024-03.pdf", "Prices", "", "2024-03"),
        ("pump_v1.2.pdf", "Version 1.1 is withdrawn.", "Version 1.2", ""),
        ("pump.md", "Revision D supersedes revision C of 8 May 2020. March 3, 2024.", "Revision D", "2024-03-03"),
        ("pump.md", "It replaces revision C of 8 May 2020.", "", ""),
        ("heatpump.md", "The heater of pump 7 draws 3 A. A version is a text.", "", ""),
    ],
)
def test_label_and_date(source: str, text: str, label: str, dated: str) -> None:
    found = find_revision(source, text)
    assert (found.label, found.dated) == (label, dated)


def test_versions_share_their_stem() -> None:
    assert name_stem("a/SP-410_rev_B_pump.md") == name_stem("b/SP-410_rev_C_pump.docx") == "sp 410 pump"
    assert name_stem("warranty-2022.docx") == name_stem("warranty_2024-07-01.pdf") == "warranty"
    assert name_stem("ledger-6.2.html") != name_stem("ledger-6.3.html")


def test_the_newer_one_is_told_by_its_label_then_by_its_date() -> None:
    revision_b, revision_c = Revision("x", "Revision B", (2,), "2024"), Revision("x", "Revision C", (3,), "2020")
    assert revision_c.is_newer(revision_b) is True
    assert revision_b.is_newer(revision_c) is False
    assert Revision("x", "", (), "2024-03").is_newer(Revision("x", "", (), "2023-12-01")) is True
    assert Revision("x", "", (), "2024-03").is_newer(Revision("x", "", (), "2024")) is None
    assert Revision("x", "Version 3", (3,), "2023").is_newer(revision_b) is False
    assert Revision("x").is_newer(revision_b) is None


def test_questions_name_a_revision() -> None:
    old = Revision("x", "Revision B", (2,), "2021-03-14")
    assert names_revision("torque in rev B?", old)
    assert names_revision("the torque of 2021", old)
    assert not names_revision("torque in revision C", old)
    assert not names_revision("how tight is the pump head", old)
    assert asks_for_earlier("what did the previous revision say")
    assert not asks_for_earlier("where do the old windows go")
