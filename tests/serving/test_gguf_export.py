"""PEFT to GGUF: scales, row order, refusals. That converted adapters answer as peft does is tested with the engines."""

from __future__ import annotations

import json

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from doyen.core.errors import IncompatibleError, ModelMissing
from doyen.core.models import GeneratorFiles
from doyen.platform.serving.engines.gguf_base import serving_gguf
from doyen.platform.serving.engines.gguf_export import (
    PERMUTED,
    PLAIN,
    export_adapter,
    interleave_rotary,
    read_adapter_config,
    scale_of,
)

CONFIG = {"peft_type": "LORA", "lora_alpha": 32, "r": 16, "bias": "none"}


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 8), st.integers(1, 4))
def test_interleaving_pairs_the_halves_of_each_head(heads, half, columns):
    rows = np.arange(heads * 2 * half * columns, dtype=np.float32).reshape(heads * 2 * half, columns)
    result = interleave_rotary(rows, heads)
    for head in range(heads):
        for place in range(half):
            start = head * 2 * half
            assert (result[start + 2 * place] == rows[start + place]).all()
            assert (result[start + 2 * place + 1] == rows[start + half + place]).all()


def test_scales_follow_peft():
    from peft import LoraConfig, get_peft_model

    settings = {"lora_alpha": 12, "use_rslora": True, "alpha_pattern": {"q": 5, "deep.k": 7}, "rank_pattern": {"q": 2}}
    inner = torch.nn.ModuleDict({name: torch.nn.Linear(8, 8) for name in ("q", "k", "v")})
    model = torch.nn.ModuleDict({"deep": inner, "q": torch.nn.Linear(8, 8)})
    model.config = {"model_type": "custom", "tie_word_embeddings": False}
    tuned = get_peft_model(model, LoraConfig(r=4, target_modules=["q", "k", "v"], **settings))
    for name, module in tuned.base_model.model.named_modules():
        if hasattr(module, "scaling"):
            assert scale_of(settings, name, module.r["default"]) == pytest.approx(module.scaling["default"])


@pytest.mark.parametrize(
    "extra",
    [{"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"bias": "all"}, {"lora_bias": True}, {"peft_type": "IA3"}],
)
def test_what_gguf_cannot_hold_is_refused(tmp_path, extra):
    (tmp_path / "adapter_config.json").write_text(json.dumps({**CONFIG, **extra}))
    with pytest.raises(IncompatibleError, match='engine = "transformers"'):
        read_adapter_config(tmp_path)


def test_a_folder_without_adapter_is_refused(tmp_path):
    with pytest.raises(IncompatibleError, match=r"adapter_config\.json"):
        read_adapter_config(tmp_path)


def test_all_architectures_are_known_to_gguf():
    assert set(gguf.MODEL_ARCH_NAMES.values()) >= PLAIN | PERMUTED


def test_a_model_without_gguf_names_the_remedy(tmp_path):
    with pytest.raises(ModelMissing, match='engine = "transformers"'):
        serving_gguf(GeneratorFiles("org/model", tmp_path, None, "0" * 64))


@pytest.mark.model
def test_the_base_is_prepared_once_and_keeps_its_metadata(generator):
    made = serving_gguf(generator)
    changed = made.stat().st_mtime_ns
    assert serving_gguf(generator).stat().st_mtime_ns == changed
    old, new = gguf.GGUFReader(generator.gguf), gguf.GGUFReader(made)
    assert {tensor.tensor_type.name for tensor in new.tensors} == {"Q8_0", "F32"}
    for name in ("tokenizer.ggml.tokens", "tokenizer.chat_template", "llama.rope.freq_base", "tokenizer.ggml.add_bos_token"):
        assert new.get_field(name).contents() == old.get_field(name).contents()
    before = {tensor.name: tensor for tensor in old.tensors}
    for tensor in new.tensors[:12]:
        wide = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        expected = gguf.quants.dequantize(before[tensor.name].data, before[tensor.name].tensor_type)
        assert np.abs(wide - expected).max() <= np.abs(expected).max() / 127


@pytest.mark.model
def test_the_file_holds_what_llama_cpp_multiplies(generator, adapters, tmp_path):
    target = tmp_path / "patterned.gguf"
    changed = export_adapter(adapters.patterned.folder, serving_gguf(generator), target)
    reader = gguf.GGUFReader(target)
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    assert len(tensors) == 2 * changed == 2 * 3 * 30
    weights = load_file(adapters.patterned.folder / "adapter_model.safetensors")
    module = "base_model.model.model.layers.3.self_attn.k_proj"
    a, b = weights[f"{module}.lora_A.weight"].numpy(), weights[f"{module}.lora_B.weight"].numpy()
    # llama.cpp computes alpha / rank · B·A; peft's scale here is 3 / √4 by the pattern.
    served = 8 / 4 * tensors["blk.3.attn_k.weight.lora_b"] @ tensors["blk.3.attn_k.weight.lora_a"]
    assert np.allclose(served, interleave_rotary(3 / 2 * b @ a, 3), atol=1e-5)


@pytest.mark.model
def test_damaged_and_foreign_adapters_are_refused_and_nothing_is_left(generator, adapters, tmp_path):
    base = serving_gguf(generator)
    weights = load_file(adapters.first.folder / "adapter_model.safetensors")
    key = next(key for key in weights if "lora_B" in key)
    damages = {
        "half": ({name: value for name, value in weights.items() if name != key}, "half"),
        "shape": ({**weights, key: torch.zeros(7, 4)}, "another base"),
        "module": (
            {
                **weights,
                "base_model.model.model.layers.77.mlp.up_proj.lora_A.weight": torch.zeros(4, 576),
                "base_model.model.model.layers.77.mlp.up_proj.lora_B.weight": torch.zeros(9, 4),
            },
            "does not have",
        ),
        "tensor": ({**weights, "base_model.model.lm_head.weight": torch.zeros(2)}, "cannot hold"),
    }
    for name, (tensors, words) in damages.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "adapter_config.json").write_text((adapters.first.folder / "adapter_config.json").read_text())
        save_file(tensors, folder / "adapter_model.safetensors")
        with pytest.raises(IncompatibleError, match=words):
            export_adapter(folder, base, tmp_path / "out" / f"{name}.gguf")
    assert not (tmp_path / "out").exists()
