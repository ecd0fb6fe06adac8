from __future__ import annotations

from collections import Counter

import pytest

from doyen.core.progress import Silent
from doyen.core.prompts import build_messages, encode_prompt
from doyen.core.records import REFUSAL
from doyen.finetune.mining import mine
from doyen.finetune.raft import Shares, build_round, excluded_ids
from doyen.finetune.training_rows import encode_contexts, evidence_check, load_batches, make_batches, save_batches


@pytest.fixture
def mined(domain, retriever, store):
    chosen = excluded_ids([pair.id for pair in domain if pair.source], 1, 0.1)
    return mine(domain, retriever, store, passages=3, reporter=Silent(), excluded=chosen)


def contexts_of(mined, number=0, shares=(0.65, 0.15, 0.2)):
    return build_round(mined, passages=3, shares=Shares.of(shares), seed=1, number=number)


def test_every_pair_has_its_turn(mined):
    contexts = contexts_of(mined)
    kinds = Counter((example.pair_id, example.kind) for context in contexts for example in context.examples)
    for item in mined:
        kind = "gold" if item.pair.answerable else "unanswerable"
        assert kinds[item.pair.id, kind] >= 1, item.pair.id
    assert all(len(context.passages) in (0, 3) for context in contexts)


def test_answers_rest_on_the_passages_and_refusals_do_not(mined):
    by_id = {item.pair.id: item for item in mined}
    for context in contexts_of(mined, shares=(0.5, 0.3, 0.2)):
        for example in context.examples:
            item = by_id[example.pair_id]
            if example.kind == "gold":
                assert item.answered_by(context.passages)
                assert example.response == item.pair.response
            elif example.kind == "closed":
                assert not context.passages
            else:
                assert not item.maybe_answered_by(context.passages)
                assert example.response == REFUSAL


def test_shares_are_kept(mined):
    kinds = Counter(example.kind for context in contexts_of(mined, shares=(0.5, 0.3, 0.2)) for example in context.examples)
    refused = kinds["missing"] + kinds["unanswerable"]
    assert refused == pytest.approx(0.6 * kinds["gold"], abs=3)
    assert kinds["closed"] == pytest.approx(0.4 * sum(item.has_gold for item in mined), abs=1)


def test_contexts_serve_several_pairs(mined):
    contexts = [context for context in contexts_of(mined) if context.passages]
    examples = sum(len(context.examples) for context in contexts)
    assert examples > 2.5 * len(contexts)


def test_rounds_differ_and_repeat_exactly(mined):
    assert contexts_of(mined, 0) == contexts_of(mined, 0)
    assert contexts_of(mined, 0) != contexts_of(mined, 1)


def test_closed_book_examples_take_turns(mined):
    asked = [
        example.pair_id
        for number in range(3)
        for context in contexts_of(mined, number, (0.5, 0.0, 0.25))
        for example in context.examples
        if example.kind == "closed"
    ]
    assert max(Counter(asked).values()) - min(Counter(asked).values()) <= 1
    assert set(asked) == {item.pair.id for item in mined if item.pair.answerable}


def test_a_gold_passage_that_retrieval_misses_is_added(domain, retriever, store):
    first = domain[0]

    class Blind:
        def retrieve(self, query, k, *, exclude_documents=(), access=None):
            return [passage for passage in retriever.passages if passage.source != first.source][:k]

    mined = mine([first], Blind(), store, passages=3, reporter=Silent(), excluded=frozenset())
    (context,) = build_round(mined, passages=3, shares=Shares(0.0, 0.0), seed=1, number=0)
    assert any("every 100 hours" in passage.text for passage in context.passages)


def test_follow_ups_keep_their_history_and_share_with_nobody(mined, tokenizer):
    context = next(context for context in contexts_of(mined) if context.examples[0].history)
    assert len(context.examples) == 1
    encoded = encode_contexts(tokenizer, [context], evidence_check(mined), max_tokens=1024, max_branches=8, share=True)
    example = context.examples[0]
    served = encode_prompt(tokenizer, build_messages(example.prompt, context.passages, example.history))
    assert list(encoded.rows[0].examples()[0].prompt_ids) == served


def test_passages_are_dropped_until_an_example_fits(mined, tokenizer):
    contexts = [context for context in contexts_of(mined) if context.passages]
    longest = encode_contexts(tokenizer, contexts, evidence_check(mined), max_tokens=4096, max_branches=8, share=False)
    limit = sorted(row.length for row in longest.rows)[len(longest.rows) // 2]
    fitted = encode_contexts(tokenizer, contexts, evidence_check(mined), max_tokens=limit, max_branches=8, share=False)
    assert all(row.length < limit for row in fitted.rows)
    assert len(fitted.rows) + fitted.too_long == len(longest.rows)
    none = encode_contexts(tokenizer, contexts, evidence_check(mined), max_tokens=5, max_branches=8, share=True)
    assert none.rows == []
    assert none.too_long == len(longest.rows)


def test_batches_hold_every_row_once(mined, tokenizer, tmp_path):
    check = evidence_check(mined)
    rows = encode_contexts(tokenizer, contexts_of(mined), check, max_tokens=1024, max_branches=8, share=True).rows
    batches = make_batches(rows, 6, "seed")
    assert sorted(str(row) for batch in batches for row in batch) == sorted(map(str, rows))
    assert all(sum(len(row.branches) for row in batch) >= 6 for batch in batches[:-1])
    save_batches(tmp_path / "b.jsonl", batches)
    assert load_batches(tmp_path / "b.jsonl") == batches


def test_without_a_share_of_missing_ones_nothing_is_refused(mined):
    contexts = contexts_of(mined, shares=(0.8, 0.0, 0.2))
    examples = [example for context in contexts for example in context.examples]
    assert {example.kind for example in examples} == {"gold", "closed"}
    assert {example.pair_id for example in examples if example.kind == "gold"} == {
        item.pair.id for item in mined if item.has_gold
    }
