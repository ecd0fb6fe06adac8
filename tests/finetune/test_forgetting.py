"""Forgetting on the tiny model: what is measured before and after a training, and the remedies replay and EWC."""

from __future__ import annotations

import json
from functools import partial

import pytest
import torch
from support.stopped import StopAfter, Stopped
from torch.nn.functional import cross_entropy

from doyen.core.progress import Silent
from doyen.core.records import Pair
from doyen.core.settings import DatasetSettings, FinetuneSettings, GateSettings
from doyen.eval.gate import _forgot
from doyen.finetune.adapter_model import add_adapter, load_base, lora_layers
from doyen.finetune.dataset import build_dataset
from doyen.finetune.forgetting import FORGETTING, describe_forgetting, forgetting_change
from doyen.finetune.forgetting import forgetting_probe as probe_module
from doyen.finetune.forgetting.fisher import SEED, Information, estimate_fisher
from doyen.finetune.forgetting.forgetting_probe import TEXTS, changes, probe_kinds, probe_model, probe_rows
from doyen.finetune.forgetting.general_pairs import general_examples, replay_rows, replayed_pairs
from doyen.finetune.forgetting.probe_adapter import probe_adapter
from doyen.finetune.forgetting.product_penalty import ProductPenalty, quadratic_form
from doyen.finetune.loss import response_logits, row_tensors
from doyen.finetune.packing import pack
from doyen.finetune.registry import Registry
from doyen.finetune.similarity import near_duplicate_pairs, request_words
from doyen.finetune.train import train_adapter

ADAPTER_FILE = "adapter_model.safetensors"


@pytest.fixture
def base(tiny_model):
    return load_base(tiny_model, "float32")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Scores and information are kept in a cache of the test's own."""
    monkeypatch.setenv("DOYEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_probe_and_replay_share_no_request():
    rows, pairs = probe_rows(), replayed_pairs("general")
    assert probe_kinds() == ("general", "instruction", "refusal")
    assert len({row.id for row in rows}) == len(rows) == 48
    assert {len(set(row.answers)) for row in rows} == {4}
    assert len(TEXTS.read_text().splitlines()) == 12
    asked = [Pair(id=row.id, prompt=row.prompt, response=row.answers[0]) for row in rows]
    assert near_duplicate_pairs([request_words(pair) for pair in pairs], [request_words(pair) for pair in asked]) == []


def test_the_probe_scores_the_same_with_and_without_shared_prompts(base, monkeypatch):
    model, tokenizer = base
    shared = probe_model(model, tokenizer)
    monkeypatch.setattr(probe_module, "can_share_prefix", lambda _: False)
    apart = probe_model(model, tokenizer)
    assert shared.right == pytest.approx(apart.right, rel=1e-4)
    assert shared.losses == apart.losses
    none = changes(shared, shared)
    assert {figure["delta"] for figure in none.values()} == {0.0}
    assert (none["answers"]["n"], none["text"]["n"], none["answers"]["p"]) == (48, 12, 1.0)


def test_fisher_information_is_that_of_squared_gradients(base):
    model, tokenizer = base
    name = "model.layers.1.mlp.down_proj"
    layer = model.get_submodule(name)
    examples = general_examples(tokenizer)[:8]
    found = estimate_fisher(model, examples, {name: layer}, Silent())[name]

    model.requires_grad_(False)
    layer.weight.requires_grad_(True)
    draw, total, tokens = torch.Generator().manual_seed(SEED), torch.zeros_like(layer.weight), 0
    for example in examples:
        logits = response_logits(model, row_tensors(pack([example])))
        drawn = torch.multinomial(logits.detach().softmax(-1), 1, generator=draw).squeeze(1)
        [gradient] = torch.autograd.grad(cross_entropy(logits, drawn, reduction="sum"), layer.weight)
        total += gradient.square()
        tokens += len(drawn)
    assert torch.allclose(found.rows, total.sum(1) / tokens, rtol=1e-3)
    assert torch.allclose(found.columns, total.sum(0) / tokens, rtol=1e-3)
    assert torch.allclose(found.rows.sum(), found.columns.sum())


def test_the_penalty_weighs_the_change_of_the_product_since_the_start(base):
    model = add_adapter(base[0], FinetuneSettings(rank=4, dtype="float32"))
    fisher = {
        name: Information(torch.rand(layer.out_features), torch.rand(layer.in_features)) for name, layer in lora_layers(model)
    }
    layers = dict(lora_layers(model))
    with torch.no_grad():
        for layer in layers.values():
            layer.lora_B["default"].weight.normal_()
    start = {name: layer.get_delta_weight("default") for name, layer in layers.items()}
    penalty = ProductPenalty(model, fisher, 3.0)
    assert penalty().item() == pytest.approx(0.0, abs=1e-2)
    with torch.no_grad():
        for layer in layers.values():
            layer.lora_A["default"].weight.normal_()
    expected = 0.0
    for name, layer in layers.items():
        rows, columns = fisher[name].rows, fisher[name].columns
        change = layer.get_delta_weight("default") - start[name]
        expected += (rows[:, None] * columns / rows.sum() * change.square()).sum().item()
    found = penalty()
    assert found.item() == pytest.approx(1.5 * expected, rel=1e-3)
    found.backward()
    assert all(layer.lora_B["default"].weight.grad.any() for layer in layers.values())
    assert quadratic_form(torch.zeros(3, 2), torch.ones(2, 4), Information(torch.ones(3), torch.ones(4))) == 0


def test_general_pairs_take_turns_and_are_their_share(tokenizer):
    chosen = FinetuneSettings(replay="general", replay_share=0.2)
    pairs = replayed_pairs("general")
    passes = [replay_rows(tokenizer, pairs, chosen, 80, number) for number in range(4)]
    assert [len(rows) for rows in passes] == [20] * 4
    assert len({row for rows in passes[:3] for row in rows}) == len(pairs) == 60
    assert passes[3] == passes[0]
    assert replay_rows(tokenizer, [], chosen, 80, 0) == []


def test_remedies_and_probe_go_through_a_training_that_resumes_exactly(tiny_workspace, store, domain, retriever, cache):
    general = [Pair(id=f"g{number}", prompt=f"How much is {number} plus 1?", response=f"{number + 1}.") for number in range(9)]
    recipe = DatasetSettings(replay_share=0.1)
    dataset = build_dataset(tiny_workspace, store, domain, name="service", recipe=recipe, replay=general)
    options = {"replay": "general", "ewc": 100.0, "forgetting_probe": True, "learning_rate": 5e-3}
    chosen = tiny_workspace.settings.finetune.model_copy(update=options)
    train = partial(train_adapter, tiny_workspace, store, dataset, retriever, name="tiny", settings=chosen)
    registry = Registry(tiny_workspace, store)

    whole = train()
    weights = (whole.folder / ADAPTER_FILE).read_bytes()
    counts = whole.manifest["examples"]
    asked = sum(counts.get(kind, 0) for kind in ("gold", "closed", "missing", "unanswerable"))
    of_dataset = dataset.manifest["counts"]["replay"]
    assert counts["replay"] == of_dataset + round(asked / 9) > of_dataset > 0
    entry = whole.manifest[FORGETTING]
    assert entry["before"] != entry["after"]
    assert {"low", "high", "p", "n"} <= entry["change"]["answers"].keys()
    assert "since_base" not in entry
    assert json.loads((whole.folder / "manifest.json").read_text())[FORGETTING] == entry

    registry.delete("tiny:1")
    with pytest.raises(Stopped):
        train(reporter=StopAfter(3))
    again = train()
    assert (again.folder / ADAPTER_FILE).read_bytes() == weights
    assert again.manifest[FORGETTING] == entry

    probed = probe_adapter(tiny_workspace, store, again.ref)
    assert forgetting_change(probed) == pytest.approx(entry["change"]["answers"], abs=2e-3)
    assert "general answers" in describe_forgetting(probed.manifest[FORGETTING])

    further = train(settings=chosen.model_copy(update={"start_from": again.ref, "ewc": 1e6, "replay": None}))
    held = further.manifest[FORGETTING]
    assert held["base"] == entry["before"]
    assert held["before"] == entry["after"]
    assert abs(held["change"]["text"]["delta"]) < abs(held["since_base"]["text"]["delta"])

    shown = {**entry, "change": {name: {**figure, "delta": -0.2, "p": 0.01} for name, figure in entry["change"].items()}}
    lost = registry.add_to_manifest(again.ref, FORGETTING, shown)
    assert [verdict.met for verdict in _forgot(lost, GateSettings())] == [False, True]
    assert "finetune.ewc" in _forgot(lost, GateSettings())[0].why
    assert [verdict.met for verdict in _forgot(lost, GateSettings(max_forgetting=0.3))] == [True, True]
    assert _forgot(lost, GateSettings(max_forgetting=None, max_perplexity_rise=None)) == []
    unknown = registry.add_to_manifest(again.ref, FORGETTING, {})
    assert "doyen adapters probe tiny:" in _forgot(unknown, GateSettings())[0].why
