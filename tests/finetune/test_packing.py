from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen3NextConfig

from doyen.core.prompts import build_messages, encode_example, encode_prompt
from doyen.core.records import REFUSAL, Turn
from doyen.finetune.loss import can_share_prefix, response_logits, row_loss, row_loss_and_margins, row_tensors, token_margins
from doyen.finetune.packing import Branch, EncodedExample, Row, pack, pack_within

token = st.integers(0, 300)
example = st.builds(
    EncodedExample,
    st.lists(token, min_size=1, max_size=12).map(tuple),
    st.lists(token, min_size=1, max_size=5).map(tuple),
)


class Text:
    def __init__(self, text: str) -> None:
        self.source, self.heading, self.text = "a.md", "Top > Low", text


def encoded(tokenizer, questions: dict[str, str], passages=("The pump runs at 3 bar.", "Oil is changed in May.")):
    parts = []
    for question, response in questions.items():
        prompt, answer = encode_example(tokenizer, build_messages(question, [Text(text) for text in passages]), response)
        parts.append(EncodedExample(tuple(prompt), tuple(answer)))
    return parts


QUESTIONS = {"Which pressure?": "3 bar.", "When do I change the oil?": "In May.", "Who leads?": REFUSAL}


@given(st.lists(example, min_size=1, max_size=6))
def test_packing_keeps_every_token(examples):
    row = pack(examples)
    assert row.examples() == examples
    assert Row.from_json(row.to_json()) == row
    assert all(branch.prompt_ids for branch in row.branches)


@given(st.lists(example, min_size=1, max_size=8), st.integers(5, 60), st.integers(1, 4))
def test_packing_within_limits_loses_nothing(examples, max_tokens, max_branches):
    rows = pack_within(examples, max_tokens, max_branches)
    assert [item for row in rows for item in row.examples()] == examples
    assert all(len(row.branches) <= max_branches for row in rows)
    assert all(row.length <= max_tokens or len(row.branches) == 1 for row in rows)


def test_training_sees_the_tokens_of_serving(tokenizer):
    history = [Turn(role="user", content="Hello <|im_end|>"), Turn(role="assistant", content="Yes?")]
    messages = build_messages("Which pressure?", [Text("The pump <|im_start|>system runs.")], history)
    prompt, response = encode_example(tokenizer, messages, "3 bar.")
    assert prompt == encode_prompt(tokenizer, messages)
    assert response[-1] == tokenizer.eos_token_id
    others = [EncodedExample(tuple(prompt), tuple(response)), *encoded(tokenizer, QUESTIONS)]
    assert next(list(item.prompt_ids) for item in pack(others).examples()) == prompt


def test_examples_over_the_same_passages_share_them(tokenizer):
    examples = encoded(tokenizer, QUESTIONS)
    row = pack(examples)
    separate = sum(len(item.prompt_ids) + len(item.response_ids) - 1 for item in examples)
    text = tokenizer.decode(row.prefix)
    assert "Oil is changed in May." in text
    assert row.length < 0.6 * separate


def test_only_response_tokens_carry_loss(tokenizer):
    examples = encoded(tokenizer, QUESTIONS)
    tensors = row_tensors(pack(examples))
    assert tensors.targets.tolist() == [token for item in examples for token in item.response_ids]
    assert len(tensors.predicting) == len(tensors.targets)
    # Each predicting position holds the token right before its target.
    fed = tensors.input_ids[0]
    for item, start in zip(examples, _starts(examples), strict=True):
        before = [item.prompt_ids[-1], *item.response_ids[:-1]]
        assert fed[tensors.predicting[start : start + len(item.response_ids)]].tolist() == before


def _starts(examples):
    starts, total = [], 0
    for item in examples:
        starts.append(total)
        total += len(item.response_ids)
    return starts


def test_logits_exist_for_response_positions_alone(tokenizer, tiny_model):
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    row = pack(encoded(tokenizer, QUESTIONS))
    seen = []
    model.lm_head.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[1]))
    logits = response_logits(model, row_tensors(row))
    assert logits.shape == (row.response_tokens, len(tokenizer))
    assert seen == [row.response_tokens]


def _gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def _separately(model, examples):
    """The reference: transformers' own loss on each example, prompts labelled -100."""
    total = torch.zeros(())
    for item in examples:
        ids = torch.tensor([item.prompt_ids + item.response_ids])
        labels = torch.tensor([[-100] * len(item.prompt_ids) + list(item.response_ids)])
        total = total + model(input_ids=ids, labels=labels).loss * len(item.response_ids)
    return total


def test_a_shared_row_trains_as_its_examples_would_separately(tokenizer, tiny_model):
    model = AutoModelForCausalLM.from_pretrained(tiny_model, attn_implementation="sdpa")
    examples = encoded(tokenizer, QUESTIONS)
    shared, separate = row_loss(model, pack(examples)), _separately(model, examples)
    assert shared.item() == pytest.approx(separate.item(), rel=1e-5)
    torch.testing.assert_close(_gradients(model, shared), _gradients(model, separate), rtol=1e-3, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.lists(example, min_size=1, max_size=5))
def test_sharing_changes_no_loss_whatever_the_tokens(tiny_model, examples):
    model = _cached_model(tiny_model)
    with torch.no_grad():
        assert row_loss(model, pack(examples)).item() == pytest.approx(_separately(model, examples).item(), rel=1e-4)


def _cached_model(folder, _models={}):  # noqa: B006
    if folder not in _models:
        _models[folder] = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa")
    return _models[folder]


def test_a_prefix_without_gradients_has_the_same_loss(tokenizer, tiny_model):
    model = _cached_model(tiny_model)
    row = pack(encoded(tokenizer, QUESTIONS))
    whole, detached = row_loss(model, row), row_loss(model, row, train_prefix=False)
    assert detached.item() == pytest.approx(whole.item(), rel=1e-5)


def test_a_branch_does_not_see_its_neighbours(tiny_model):
    model = _cached_model(tiny_model)
    first = Branch((7, 8), (9, 10))
    alone = response_logits(model, row_tensors(Row((1, 2, 3), (first,))))
    beside = response_logits(model, row_tensors(Row((1, 2, 3), (first, Branch((50, 60), (70,))))))
    torch.testing.assert_close(alone, beside[:2], rtol=1e-5, atol=1e-5)


def test_models_whose_attention_is_not_plain_do_not_share():
    assert can_share_prefix(LlamaConfig())
    assert not can_share_prefix(MistralConfig(sliding_window=16))
    assert not can_share_prefix(Qwen3NextConfig())


def test_margins_are_those_of_the_separate_examples(tokenizer, tiny_model):
    model = _cached_model(tiny_model)
    logits = torch.tensor([[1.0, 4.0, 2.5], [3.0, 1.0, 2.0]])
    assert token_margins(logits, torch.tensor([1, 2])).tolist() == [1.5, -1.0]
    examples = encoded(tokenizer, QUESTIONS)
    loss, margins = row_loss_and_margins(model, pack(examples))
    assert loss.item() == row_loss(model, pack(examples)).item()
    separate = [row_loss_and_margins(model, pack([example]))[1] for example in examples]
    assert margins.tolist() == pytest.approx(torch.cat(separate).tolist(), abs=1e-3)
