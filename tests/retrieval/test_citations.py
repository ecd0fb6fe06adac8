"""Citations quote exactly, and only what supports the answer."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.core.answers import Passage
from doyen.retrieval.citations import MOST_CITATIONS, strongest, support, support_statements

PUMP = "The filter AB-1234 is replaced every 12 months. Use gloves when you open the cover. The pump is rated 3.5 bar."
TRAVEL = "Employees book trains in second class. The daily meal allowance is 31 euro. Receipts are due within 20 days."


def cite(answer, passages, *, limit=MOST_CITATIONS):
    """The sentences that support an answer, strongest first."""
    return strongest(support_statements(answer, passages))[:limit]


def passage(text: str, start: int = 0, name: str = "a") -> Passage:
    return Passage(f"{name}1", name, "v", f"{name}.txt", start, start + len(text), 2, "", 1.0, text, {})


def test_the_supporting_sentence_is_quoted() -> None:
    cited = cite("The allowance is 31 euro a day.", [passage(PUMP), passage(TRAVEL, 1000, "b")])
    assert [(c.marker, c.source, c.quote) for c in cited] == [(2, "b.txt", "The daily meal allowance is 31 euro.")]
    assert cited[0].start == 1000 + TRAVEL.index("The daily")
    assert cited[0].page == 2


def test_a_quote_is_on_the_page_on_which_it_begins() -> None:
    both = replace(passage(f"{PUMP} {TRAVEL}", 500), page_breaks=(500 + len(PUMP) + 1,))
    pages = [cite(answer, [both])[0].page for answer in ("The filter is changed every 12 months.", "Meals: 31 euro a day.")]
    assert pages == [2, 3]


def test_two_statements_get_two_citations() -> None:
    cited = cite("Change filter AB-1234 every 12 months. Trains are booked in second class.", [passage(PUMP), passage(TRAVEL)])
    assert {c.marker for c in cited} == {1, 2}
    assert (
        len(
            cite(
                "Change filter AB-1234 every 12 months. Trains are booked in second class.",
                [passage(PUMP), passage(TRAVEL)],
                limit=1,
            )
        )
        == 1
    )


def test_markers_in_the_answer_decide_between_equals() -> None:
    twins = [passage(PUMP, name="a"), passage(PUMP, name="b")]
    assert cite("Every 12 months [2].", twins)[0].marker == 2
    assert cite("Every 12 months. [2]", twins)[0].marker == 2
    assert cite("Every 12 months.", twins)[0].marker == 1


def test_nothing_is_cited_without_support() -> None:
    for answer in ("Bananas are yellow.", "", "The documents do not say.", "[1]", "Every 99 months."):
        assert cite(answer, [passage(PUMP), passage(TRAVEL)]) == [], answer
    assert cite("Every 12 months.", []) == []


def test_support_falls_with_what_is_missing() -> None:
    passages = [passage(PUMP), passage(TRAVEL)]
    full = support("The filter AB-1234 is replaced every 12 months.", passages)
    other = support("The filter AB-1234 is replaced every 99 months.", passages)
    assert full == 1.0
    assert 0 < other < 0.9
    assert support("Bananas are yellow.", passages) == 0.0
    assert support("", passages) == 0.0
    assert support("12 months", []) == 0.0


WORDS = st.sampled_from(["filter", "AB-12", "42", "pump.", "\n", "The", "seal", "é", "3.5", "old!", "[1]", "[2]", "|", "\t"])
TEXT = st.lists(WORDS, max_size=60).map(" ".join)


@settings(max_examples=80, deadline=None)
@given(TEXT, st.lists(st.tuples(TEXT, st.integers(0, 10_000)), max_size=3), st.integers(1, 3))
def test_quotes_are_exact_substrings(answer: str, given_passages: list[tuple[str, int]], limit: int) -> None:
    passages = [passage(text, start) for text, start in given_passages]
    cited = cite(answer, passages, limit=limit)
    assert len(cited) <= limit
    assert len(set(cited)) == len(cited)
    for citation in cited:
        origin = passages[citation.marker - 1]
        assert citation.quote
        assert origin.text[citation.start - origin.start : citation.end - origin.start] == citation.quote
    assert 0 <= support(answer, passages) <= 1 + 1e-9


def test_statements_lie_where_the_answer_says_them() -> None:
    answer = (
        "  Replace the filter AB-1234 every 12 months. [1] [2]  Wear gloves when you open the cover [1].\n\nBananas are yellow."
    )
    statements = support_statements(answer, [passage(PUMP), passage(TRAVEL)])
    assert [answer[statement.start : statement.end] for statement in statements] == [
        "Replace the filter AB-1234 every 12 months. [1] [2]",
        "Wear gloves when you open the cover [1].",
        "Bananas are yellow.",
    ]
    assert [[citation.quote for citation in statement.gains] for statement in statements] == [
        ["The filter AB-1234 is replaced every 12 months."],
        ["Use gloves when you open the cover."],
        [],
    ]


@settings(max_examples=80, deadline=None)
@given(st.one_of(TEXT, st.text(st.sampled_from("aB1 .!?[]\n\u00a0\u3000\u3002。2"), max_size=60)))
def test_statements_hold_every_character_but_blanks_once(answer: str) -> None:
    done = 0
    for statement in support_statements(answer, [passage(PUMP)]):
        assert not answer[done : statement.start].strip()
        assert done <= statement.start < statement.end <= len(answer)
        done = statement.end
    assert not answer[done:].strip()
