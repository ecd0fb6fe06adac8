"""Retrieval metrics against trec_eval, and what counts as holding the evidence."""

from __future__ import annotations

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.core.answers import Passage
from doyen.core.evidence import Evidence
from doyen.core.records import Question
from doyen.eval.retrieval_metrics import first_ranks, score_ranking

QUOTES = ["the red valve opens at nine bar", "seal kit QX seven", "never above forty degrees"]


def passage(text: str, source: str = "a.md", start: int = 0) -> Passage:
    return Passage(f"{source}-{start}", source, "v", source, start, start + len(text), None, "", 0.0, text, {})


def question(evidence: list[str], source: str | None = "a.md") -> Question:
    return Question(id="q", question="?", answers=["x"], source=source, evidence=evidence)


@settings(max_examples=80, deadline=None)
@given(ranking=st.lists(st.integers(-1, 2), max_size=10), asked=st.integers(1, 3))
def test_equal_to_trec_eval(ranking: list[int], asked: int) -> None:
    """Each rank holds one of the quotes or (-1) none; repeated quotes are not relevant again."""
    evidence = QUOTES[:asked]
    passages = [
        passage(f"Lorem ipsum. {QUOTES[n]}." if n >= 0 else "Lorem ipsum.", start=i * 100) for i, n in enumerate(ranking)
    ]
    scores = score_ranking(question(evidence), passages)
    first = {n: ranking.index(n) for n in range(asked) if n in ranking}
    relevant = {f"d{rank}": 1 for rank in first.values()} | {f"lost{n}": 1 for n in range(asked) if n not in first}
    run = {f"d{rank}": 100.0 - rank for rank in range(len(ranking))} or {"none": 1.0}
    oracle = pytrec_eval.RelevanceEvaluator({"q": relevant}, {"ndcg_cut.10", "recall.1,5", "recip_rank"}).evaluate({"q": run})[
        "q"
    ]
    assert scores["ndcg@10"] == pytest.approx(oracle["ndcg_cut_10"])
    assert scores["recall@1"] == pytest.approx(oracle["recall_1"])
    assert scores["recall@5"] == pytest.approx(oracle["recall_5"])
    assert scores["mrr"] == pytest.approx(oracle["recip_rank"])


def test_two_quotes_in_one_passage_are_both_found_at_its_rank() -> None:
    found = first_ranks(question(QUOTES[:2]), [passage("nothing"), passage(". ".join(QUOTES[:2]))])
    assert found == {0: 2, 1: 2}
    scores = score_ranking(question(QUOTES[:2]), [passage(". ".join(QUOTES[:2]))])
    assert scores == {"recall@1": 1.0, "recall@5": 1.0, "ndcg@10": 1.0, "mrr": 1.0}


def test_the_same_words_in_another_document_are_not_evidence() -> None:
    other = passage(QUOTES[0], source="superseded.md")
    assert first_ranks(question([QUOTES[0]]), [other]) == {}
    assert first_ranks(question([QUOTES[0]], source=None), [other]) == {0: 1}


@pytest.mark.parametrize(
    ("quote", "text", "held"),
    [
        ("Tighten to 2.5 Nm", "| step | tighten\nto  2.5 Nm |", True),
        ("Tighten to 2.5 Nm", "Tighten to 12.5 Nm", False),
        ("the pump runs for 4,000 hours between two overhauls", "The pump runs for 5,000 hours between two overhauls.", False),
        ("4,000 hours", "14,000 hours", False),
        ("within 4,000", "within 4,000.5", False),
        ("the pump’s seals last 4,000 hours", "the pump's seals – last 4,000 hours", True),
        ("aced after one year, or so", "It is replaced after one year, or sooner.", True),
        ("one two three 4", "… one two three", False),
        ("ﬁlter of the pump", "The filter of the pump.", True),
        ("one two three four", "… two three four.", True),
        ("one two three four", "three four five", False),
        ("第七章は保証", "本書の第七章は保証について", True),
        ("第七章は保証", "本書の第八章は廃棄について", False),
        ("→", "a → b", True),
        ("—", "a b", False),
    ],
)
def test_what_holds_a_quote(quote: str, text: str, held: bool) -> None:
    assert Evidence(quote).held_by(text) is held


@settings(max_examples=60, deadline=None)
@given(before=st.text(max_size=30), quote=st.text(min_size=1, max_size=30), after=st.text(max_size=30))
def test_a_quote_between_spaces_is_always_held(before: str, quote: str, after: str) -> None:
    assert Evidence(quote).share_held(f"{before} {quote} {after}") == (1.0 if quote.strip() else 0.0)
