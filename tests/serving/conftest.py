"""The packaged model behind both local engines, and adapters made with peft, shared by the tests of serving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from doyen.core.models import GeneratorFiles, resolve_generator
from doyen.platform.serving.engines import AdapterFiles
from doyen.platform.serving.engines.llamacpp import LlamaCppEngine
from doyen.platform.serving.engines.transformers_engine import TransformersEngine


@dataclass(frozen=True)
class Adapters:
    """Adapters of the packaged model: two plain ones, and one that scales each module differently."""

    first: AdapterFiles
    second: AdapterFiles
    patterned: AdapterFiles


@pytest.fixture(scope="session")
def generator() -> GeneratorFiles:
    return resolve_generator("smollm2-135m-instruct")


@pytest.fixture(scope="session")
def adapters(generator: GeneratorFiles, tmp_path_factory: pytest.TempPathFactory) -> Adapters:
    """Random adapters, strong enough to change what the model says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(generator.folder, dtype=torch.float32)
    folder = tmp_path_factory.mktemp("adapters")
    configs = {
        "first": LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"),
        "second": LoraConfig(r=8, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"]),
        "patterned": LoraConfig(
            r=4,
            lora_alpha=8,
            use_rslora=True,
            target_modules=["q_proj", "k_proj", "up_proj"],
            rank_pattern={"q_proj": 8},
            alpha_pattern={"k_proj": 3},
        ),
    }
    spread = {"first": 0.5, "second": 0.8, "patterned": 0.3}
    made = {}
    for seed, (name, config) in enumerate(configs.items()):
        torch.manual_seed(seed)
        tuned = get_peft_model(model, config)
        for parameter_name, parameter in tuned.named_parameters():
            if "lora_B" in parameter_name:
                torch.nn.init.normal_(parameter, std=spread[name])
        tuned.save_pretrained(folder / name)
        model = tuned.unload()
        made[name] = AdapterFiles(f"{name}:1", folder / name, generator.sha256)
    return Adapters(**made)


@pytest.fixture(scope="session")
def llama(generator: GeneratorFiles) -> Iterator[LlamaCppEngine]:
    engine = LlamaCppEngine(generator, context=1024, slots=2)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def reference(generator: GeneratorFiles) -> Iterator[TransformersEngine]:
    engine = TransformersEngine(generator, dtype="float32")
    yield engine
    engine.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of prepared models."""
    monkeypatch.setenv("DOYEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
