"""The base model of a training with the adapter that is trained: LoRA, and the variants that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, set_seed

from doyen.core.errors import IncompatibleError
from doyen.core.models import torch_device, torch_dtype
from doyen.core.settings import FinetuneSettings
from doyen.finetune.registry import WEIGHTS

ADAPTER = "default"
"""PEFT's name of the one adapter that a model has here."""


def load_base(folder: Path, dtype_setting: str, *, quantised: bool = False) -> tuple[Any, Any]:
    """Return ``(model, tokenizer)`` of a verified folder, the model on this machine's device in the dtype of the setting.

    Args:
        quantised: keep the weights in four bits (NF4, twice quantised; QLoRA: Dettmers et al., arXiv 2305.14314).
    """
    dtype = torch_dtype(dtype_setting)
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": "sdpa", "use_safetensors": True}
    if quantised:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False, **options)
    return model if quantised else model.to(torch_device()), AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def add_adapter(model: Any, settings: FinetuneSettings, start: Path | None = None) -> Any:
    """Return the model with an adapter on all linear layers that can be trained.

    LoRA: Hu et al., arXiv 2106.09685; rank-stabilised: Kalajdzievski, arXiv 2312.03732; DoRA: Liu et al., arXiv 2402.09353.
    The seed is set first: a fresh adapter's matrices are random.

    Args:
        start: PEFT folder of the adapter to go on from, with its own rank; None makes a fresh one. With another
            ``finetune.method`` than "lora" it becomes an adapter of that method, which changes the model as it did.

    Raises:
        IncompatibleError: it cannot become one.
    """
    set_seed(settings.seed)
    if start is None:
        adapted = get_peft_model(model, _fresh_config(settings))
    else:
        had = LoraConfig.from_pretrained(start)
        same = settings.method == "lora" or _method_of(had) == settings.method
        adapted = PeftModel.from_pretrained(model, start, is_trainable=True) if same else _turned(model, settings, start, had)
    if settings.gradient_checkpointing:
        adapted.gradient_checkpointing_enable({"use_reentrant": False})
    return adapted


def lora_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Give the name in the base model, and the layer, of each matrix that the adapter changes."""
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer) and ADAPTER in module.lora_A:
            yield name.removeprefix("base_model.model."), module


def _fresh_config(settings: FinetuneSettings) -> LoraConfig:
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        use_rslora=settings.method == "rslora",
        use_dora=settings.method == "dora",
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _method_of(config: LoraConfig) -> str:
    return "dora" if config.use_dora else "rslora" if config.use_rslora else "lora"


def _turned(model: Any, settings: FinetuneSettings, start: Path, had: LoraConfig) -> Any:
    """Return the model with an adapter of another method that changes it as the one in ``start`` does."""
    if had.use_dora or had.rank_pattern or had.alpha_pattern:
        raise IncompatibleError(
            f"the adapter in {start} cannot become one of finetune.method = {settings.method!r}: leave the method at 'lora' to "
            "go on with it as it is, or set finetune.start_from = 'none'"
        )
    had.inference_mode = False
    had.use_dora = settings.method == "dora"
    if settings.method == "rslora":
        had.use_rslora, had.lora_alpha = True, settings.alpha
    adapted = get_peft_model(model, had)
    set_peft_model_state_dict(adapted, load_file(start / WEIGHTS))
    before = LoraConfig.from_pretrained(start)
    scale = before.lora_alpha / (before.r**0.5 if before.use_rslora else before.r)
    for _, layer in lora_layers(adapted):
        a, b = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
        with torch.no_grad():
            b.mul_(scale / layer.scaling[ADAPTER])
        if had.use_dora:
            # DoRA's lengths are those of the weights that the start has made of the base's: nothing changes at first.
            magnitudes = layer.lora_magnitude_vector[ADAPTER]
            magnitudes.update_layer(base_layer=layer.get_base_layer(), lora_A=a, lora_B=b, scaling=layer.scaling[ADAPTER])
    return adapted
