"""One version of a document answers; what the others say in the same place is shown beside it."""

from __future__ import annotations

from doyen.core.answers import Answer, Citation, Passage
from doyen.core.modes import Mode
from doyen.platform.cli.ask_command import format_answer
from doyen.platform.serving.other_versions import differing, set_aside
from doyen.retrieval.citations import citation_at
from doyen.ui.conversation import Exchange
from doyen.ui.markup import conversation_html

SAME = "Wear the yellow gloves of class two."
NEW = f"Exchange the sensor every 30 months of use. {SAME} Burn the new part in for 18 hours."
OLD = f"Exchange the sensor every 24 months of use. {SAME} Put some grease on the thread first."
FIRST, SECOND, THIRD = (0, 43), (44, 44 + len(SAME)), (45 + len(SAME), len(NEW))


def passage(source: str, text: str, superseded_by: str | None = None) -> Passage:
    revision = "Revision C, 2020-05-08" if superseded_by else "Revision D, 2024-02-22"
    return Passage("c", source, "v", source, 0, len(text), None, "", 1.0, text, {}, revision, superseded_by)


NEWEST, OLDER, MANUAL = passage("d.md", NEW), passage("c.md", OLD, "d.md"), passage("manual.md", "Other.")


def test_the_version_that_comes_first_is_read() -> None:
    assert set_aside([MANUAL, NEWEST, OLDER]) == ([MANUAL, NEWEST], [OLDER])
    assert set_aside([OLDER, MANUAL, NEWEST]) == ([OLDER, MANUAL], [NEWEST])
    assert set_aside([OLDER]) == ([OLDER], [])


def test_sentences_that_differ_are_shown_both_ways() -> None:
    asked, same, alone = (citation_at([NEWEST], 1, *place) for place in (FIRST, SECOND, THIRD))
    assert [(each.quote, each.superseded_by) for each in differing([asked], [OLDER])] == [(OLD[:43], "d.md")]
    assert differing([same], [OLDER]) == differing([alone], [OLDER]) == differing([asked], [MANUAL]) == []
    older = citation_at([MANUAL, OLDER], 2, *FIRST)
    assert [(each.marker, each.quote) for each in differing([older], [NEWEST])] == [(2, NEW[:43])]


def answer(citation: Citation, *others: Citation, query: str = "") -> Answer:
    return Answer("And when?", "30 months", Mode.EXTRACT, citations=[citation], other_versions=list(others), query=query)


def test_people_see_versions_and_the_query() -> None:
    cited, older = citation_at([NEWEST], 1, *FIRST), citation_at([OLDER], 1, *FIRST)
    shown = answer(cited, older, query="And when? sensor exchange")
    text = format_answer(shown)
    assert "d.md (Revision D, 2024-02-22): “Exchange the sensor every 30 months of use.”" in text
    assert "c.md (Revision C, 2020-05-08, superseded by d.md) says: “Exchange the sensor every 24 months of use.”" in text
    assert "searched for: And when? sensor exchange" in text
    page = conversation_html([Exchange("And when?", shown)])
    assert "24 months" in page
    assert "Superseded" in page
    assert "searched for “And when? sensor exchange”" in page
    assert "From a superseded version" not in page
    assert "From a superseded version" in conversation_html([Exchange("And when?", answer(older))])
    assert "searched for" not in conversation_html([Exchange("And when?", answer(cited, query="And when?"))])
