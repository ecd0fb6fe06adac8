"""Make a Hugging Face folder from a GGUF file, once, so that training and the reference engine can load it."""

from __future__ import annotations

from pathlib import Path

from doyen.core.files import new_folder
from doyen.core.models.loading import LOADING


def dequantise_gguf(gguf: Path, folder: Path) -> None:
    """Write the model of a GGUF file as safetensors (bfloat16) with tokenizer and chat template into ``folder``.

    Nothing is done when the folder exists: its name carries the file's hash. Takes about 20 s for 135M parameters.
    """
    with LOADING:
        if not (folder / "model.safetensors").is_file():
            _dequantise(gguf, folder)


def _dequantise(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with new_folder(folder) as target:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        tokenizer.save_pretrained(target)
        model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
        # transformers refuses to save a model that it believes to be quantised; after loading it is not.
        model.hf_quantizer = None
        model.config.quantization_config = None
        del model.config.quantization_config
        model.save_pretrained(target)
