"""The base model as the llama.cpp engine serves it: one GGUF file, prepared once."""

from __future__ import annotations

import os
from pathlib import Path

from doyen.core.errors import ModelMissing
from doyen.core.models import GeneratorFiles, cache_folder
from doyen.platform.serving.engines.gguf_export import rewrite_gguf

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
        rewrite_gguf(files.gguf, target)
    return target


def _link(target: Path, source: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.symlink_to(source.resolve())
    temporary.replace(target)
