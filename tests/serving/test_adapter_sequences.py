"""Whatever was loaded and used before, an engine answers with the adapter that it is asked for, as a fresh engine does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.scoring import score

from doyen.core.models import GeneratorFiles
from doyen.core.prompts import build_messages
from doyen.platform.serving.engines import AdapterFiles, Engine, GenerationRequest, transformers_engine
from doyen.platform.serving.engines.llamacpp import LlamaCppEngine
from doyen.platform.serving.engines.transformers_engine import TransformersEngine

pytestmark = pytest.mark.model

TEXT = ["Paris is the capital of France."]
MESSAGES = build_messages("What is the capital of France?")


@dataclass(frozen=True)
class World:
    """A model with four adapters, and what fresh engines say of each and of the base."""

    files: GeneratorFiles
    adapters: Sequence[AdapterFiles | None]
    fresh: Sequence[float]


def said(engine: Engine, adapter: AdapterFiles | None) -> float:
    """The mean log-probability of a fixed text: a fingerprint of the weights in use."""
    return score(engine, GenerationRequest(MESSAGES, adapter), TEXT)[0]


@pytest.fixture(scope="module")
def tiny(generator: GeneratorFiles, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A model of the packaged one's kind and tokenizer, small enough for hundreds of loads."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("tiny")
    config = AutoConfig.from_pretrained(generator.folder)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config.update({**shape, "num_key_value_heads": 2, "head_dim": 8})
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder / "base")
    AutoTokenizer.from_pretrained(generator.folder).save_pretrained(folder / "base")
    files = GeneratorFiles(**{**vars(generator), "folder": folder / "base"})
    adapters: list[AdapterFiles | None] = [None]
    for number in range(4):
        model = AutoModelForCausalLM.from_pretrained(folder / "base")
        tuned = get_peft_model(model, LoraConfig(r=4, lora_alpha=64, target_modules="all-linear"))
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=1.0)
        tuned.save_pretrained(folder / str(number))
        adapters.append(AdapterFiles(f"tiny:{number}", folder / str(number), files.sha256))
    fresh = [said(TransformersEngine(files, dtype="float32"), adapter) for adapter in adapters]
    assert len({round(value, 3) for value in fresh}) == len(adapters)
    return World(files, adapters, fresh)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(uses=[1, 0, 2])
@given(uses=st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_transformers_answers_with_the_adapter_asked_for(tiny: World, monkeypatch: pytest.MonkeyPatch, uses: list[int]) -> None:
    monkeypatch.setattr(transformers_engine, "MAX_ADAPTERS", 2)
    engine = TransformersEngine(tiny.files, dtype="float32")
    assert [said(engine, tiny.adapters[use]) for use in uses] == pytest.approx([tiny.fresh[use] for use in uses], abs=1e-4)


def test_an_adapter_that_cannot_be_loaded_leaves_no_trace(tiny: World, tmp_path: Path) -> None:
    engine = TransformersEngine(tiny.files, dtype="float32")
    said(engine, tiny.adapters[1])
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "adapter_model.safetensors").write_bytes(b"none")
    source = tiny.adapters[1].folder / "adapter_config.json"
    (broken / "adapter_config.json").write_bytes(source.read_bytes())
    with pytest.raises(Exception, match=r"."):
        said(engine, AdapterFiles("broken:1", broken, tiny.files.sha256))
    for use in (0, 2, 0, 1):
        assert said(engine, tiny.adapters[use]) == pytest.approx(tiny.fresh[use], abs=1e-4)


@pytest.mark.soak
def test_llamacpp_answers_with_the_adapter_asked_for(generator, adapters) -> None:
    """A worker start costs a second, so one random sequence that begins with the one that once went wrong."""
    chosen = [None, adapters.first, adapters.second, adapters.patterned]
    fresh = []
    for adapter in chosen:
        alone = LlamaCppEngine(generator, context=512, slots=1)
        fresh.append(said(alone, adapter))
        alone.close()
    uses = [1, 0, 2, *random.Random(6).choices(range(4), k=7)]
    engine = LlamaCppEngine(generator, context=512, slots=1)
    try:
        given_scores = [said(engine, chosen[use]) for use in uses]
    finally:
        engine.close()
    assert given_scores == pytest.approx([fresh[use] for use in uses], abs=0.1)
