"""Results and pairs turn into each other without loss, and what comes back broken is named."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.annotation.labelstudio.regions import UNANSWERABLE, Result, write_prompt_response
from doyen.annotation.task_types import get_task_type
from doyen.annotation.tasks import task_data
from doyen.annotation.types.drafter import Draft, Excerpt
from doyen.annotation.types.prompt_response import label_of_pair
from doyen.annotation.types.spans import find_quotes, locate_span
from doyen.annotation.types.typed_labels import Label, LabelError, PromptResponse
from doyen.core.records import REFUSAL, Pair, Turn
from doyen.core.text import is_blank

KIND = get_task_type("prompt-response")

# What breaks offsets: astral characters, joined emoji, combining marks, CR LF, blanks that a browser collapses.
pieces = st.sampled_from(
    ["a", "Ω", "😀", "👨‍👩‍👧", "e\u0301", "\r\n", "\n", "  ", "\t", "\\n", "<b>", "&amp;", "4,000", '"', "\u2028"]
)
passages = st.lists(pieces, min_size=1, max_size=30).map("".join)
words = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
solid = words.filter(lambda text: not is_blank(text))


def excerpt(text: str, source: str = "manual.md") -> Excerpt:
    return Excerpt(text, source, "doc", "v1", "chunk-1", start=7, page=2, heading="Pumps")


def read_result(result: Result, passage: str) -> Label:
    return KIND.read(result, {"text": passage})


def browser_view(text: str) -> str:
    """Return a marked text as Label Studio's editor stores it."""
    shown = text.replace("\n", "\\n").replace("\r", "\\n")
    while "  " in shown:
        shown = shown.replace("  ", " ")
    return shown


@st.composite
def spans(draw: st.DrawFn, passage: str) -> tuple[int, int]:
    start = draw(st.integers(0, len(passage) - 1))
    return start, draw(st.integers(start + 1, len(passage)))


@st.composite
def pairs_on_passages(draw: st.DrawFn) -> tuple[Pair, dict[str, object]]:
    passage = draw(passages)
    cuts = draw(st.lists(spans(passage), max_size=4))
    quotes = [quote for quote in dict.fromkeys(passage[start:end] for start, end in cuts) if not is_blank(quote)]
    elsewhere = draw(st.lists(solid.filter(lambda quote: quote not in passage), max_size=2, unique=True))
    answerable = draw(st.booleans())
    history = draw(st.lists(st.builds(Turn, role=st.sampled_from(["user", "assistant"]), content=words), max_size=2))
    group = draw(st.sampled_from(["g1", "g2"]))
    pair = Pair(
        id="p1",
        prompt=draw(solid),
        response=draw(solid) if answerable else draw(st.sampled_from([REFUSAL, f" {REFUSAL}\r\n"])),
        source=draw(st.sampled_from([None, "manual.md", "other.md"])),
        evidence=quotes + elsewhere,
        annotator="ada@example.com",
        created_at="2026-01-02T03:04:05Z",
        group=group,
        history=history,
    )
    return pair, task_data("u1", excerpt(passage), pair.prompt, group="g1")


@given(pairs_on_passages())
@settings(max_examples=150, deadline=None)
def test_a_pair_survives_as_a_result(case: tuple[Pair, dict[str, object]]) -> None:
    pair, data = case
    result = KIND.write(label_of_pair(pair, data), data)
    assert KIND.problems(result, data) == []
    label = KIND.read(result, data)
    made = KIND.to_pair(label, data, pair_id="p1", annotator="ada@example.com", created_at="2026-01-02T03:04:05Z")
    assert made == pair


@given(passages.flatmap(lambda passage: st.tuples(st.just(passage), spans(passage))))
@settings(max_examples=150, deadline=None)
def test_marked_by_hand_the_quote_is_still_exact(case: tuple[str, tuple[int, int]]) -> None:
    passage, (start, end) = case
    span = locate_span(passage, start, end, browser_view(passage[start:end]))
    assert span is not None
    assert (span.start, span.end, span.text) == (start, end, passage[start:end])


def test_offsets_in_utf16_units_are_read_when_only_they_fit() -> None:
    passage = "😀😀 replace the pump"
    start = passage.index("pump")
    assert locate_span(passage, start + 2, start + 6, "pump") == locate_span(passage, start, start + 4, "pump")
    assert locate_span(passage, start + 1, start + 5, "pump") is None
    assert locate_span(passage, 1, 3, "\ud83d") is None


def test_the_same_quote_twice_takes_two_places() -> None:
    spans_found, missing = find_quotes("ab ab ab", ["ab", "ab", "zz"])
    assert [(span.start, span.end) for span in spans_found] == [(0, 2), (3, 5)]
    assert missing == ["zz"]


def test_rating_comment_and_quotes_survive() -> None:
    label = PromptResponse("Q?", "A.", True, quotes=("elsewhere",), rating=4, comment="fine")
    assert read_result(write_prompt_response(label, "u1"), "text") == label


def test_the_tick_wins_over_a_draft_answer_left_standing() -> None:
    data = task_data("u1", excerpt("some text"), "Q?")
    draft = Draft.of_answer("some text", "Q?", "a draft answer", 0.5)
    result = KIND.prediction(draft.label, draft.score, data, "v1")["result"]
    result.append(
        {"id": "x", "from_name": "answerable", "to_name": "passage", "type": "choices", "value": {"choices": [UNANSWERABLE]}}
    )
    pair = KIND.to_pair(KIND.read(result, data), data, pair_id="p", annotator="ada", created_at="")
    assert (pair.response, pair.answerable, pair.source) == (REFUSAL, False, None)


def evidence(start: object, end: object, text: str) -> dict[str, object]:
    return {
        "id": "e",
        "from_name": "evidence",
        "to_name": "passage",
        "type": "labels",
        "value": {"start": start, "end": end, "text": text},
    }


@pytest.mark.parametrize(
    ("region", "problem"),
    [
        (evidence(0, 99, "x"), "evidence 0 to 99 lies outside the passage of 9 characters"),
        (evidence(3, 3, ""), "lies outside"),
        (evidence("0", None, ""), "no whole-number offsets"),
        (evidence(0, 4, "text"), "says 'text' but the passage has 'some' there"),
        ({"from_name": "rating", "value": {"rating": 9}}, "the rating must be 1 to 5, found 9"),
        ({"from_name": "verdict", "value": {}}, "no field 'verdict'"),
        ({"from_name": "prompt", "value": {"text": [3]}}, "holds no text"),
        ({"from_name": "prompt"}, "a region has no value"),
        ("nonsense", "a region has no value"),
    ],
)
def test_each_broken_region_is_named(region: object, problem: str) -> None:
    good = write_prompt_response(PromptResponse("Q?", "A.", True), "u1")
    with pytest.raises(LabelError) as caught:
        read_result([*good, region], "some text")
    assert len(caught.value.problems) == 1
    assert problem in caught.value.problems[0]


def test_missing_question_and_answer_are_both_reported() -> None:
    with pytest.raises(LabelError) as caught:
        read_result([], "some text")
    assert len(caught.value.problems) == 2
