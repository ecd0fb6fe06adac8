"""The base model as the llama.cpp engine serves it: one GGUF file, prepared once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from doyen.core.errors import ModelMissing
from doyen.core.models import GeneratorFiles, cache_folder
from doyen.platform.serving.engines.gguf_export import new_gguf

SMALL_MODEL_BYTES = 1_000_000_000
"""Files below this are re-quantised to Q8_0: a small model spends its time on reading prompts, where Q8_0 is 1.7 to 2
times as fast as Q4_1. Larger ones stay as they are, because there memory and decoding speed weigh more."""


def serving_gguf(files: GeneratorFiles) -> Path:
    """Return the GGUF file to serve ``files`` from, made in the cache on the first call.

    Raises:
        ModelMissing: the model has no GGUF file.
        StorageError: the disk is full.
    """
    if files.gguf is None:
        raise ModelMissing(
            f'model {files.name!r} has no GGUF file, which engine = "llamacpp" needs: set engine = "transformers" '
            "under [serving], or name a .gguf file of the model"
        )
    if files.gguf.stat().st_size >= SMALL_MODEL_BYTES:
        return files.gguf
    target = cache_folder() / "models" / f"{files.gguf.stem.lower()}-{files.sha256[:12]}.q8_0.gguf"
    if target.is_file():
        return target
    import gguf

    # Reading the header takes seconds, so a file that needs no change is remembered by a link.
    reader = gguf.GGUFReader(files.gguf)
    kinds = gguf.GGMLQuantizationType
    if all(tensor.tensor_type in {kinds.F32, kinds.Q8_0} for tensor in reader.tensors):
        _link(target, files.gguf)
    else:
        _requantise(reader, target)
    return target


def _link(target: Path, source: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.symlink_to(source.resolve())
    temporary.replace(target)


def _requantise(reader: Any, target: Path) -> None:
    """Write the model with all its matrices at 8 bits; ``target`` appears whole or not at all."""
    with new_gguf(target, reader.get_field("general.architecture").contents()) as writer:
        _copy_metadata(reader, writer)
        for tensor in reader.tensors:
            _add_tensor(tensor, writer)


def _copy_metadata(reader: Any, writer: Any) -> None:
    import gguf

    for item in reader.fields.values():
        # The writer makes these itself.
        if item.name.startswith("GGUF.") or item.name in {"general.architecture", "general.file_type"}:
            continue
        kind = item.types[0]
        element = item.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(item.name, item.contents(), kind, sub_type=element)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def _add_tensor(tensor: Any, writer: Any) -> None:
    """Add one tensor: vectors unchanged, matrices as Q8_0 (or float16 where a row is no multiple of its blocks)."""
    import gguf
    from gguf.quants import dequantize, quantize

    kinds = gguf.GGMLQuantizationType
    if tensor.tensor_type in {kinds.F32, kinds.Q8_0}:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        return
    wide = dequantize(tensor.data, tensor.tensor_type)
    block_size, _ = gguf.GGML_QUANT_SIZES[kinds.Q8_0]
    kind = kinds.Q8_0 if wide.shape[-1] % block_size == 0 else kinds.F16
    writer.add_tensor(tensor.name, quantize(wide, kind), raw_dtype=kind)
