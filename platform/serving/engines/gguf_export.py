"""PEFT LoRA adapter to GGUF, checked tensor by tensor against the base that it will be applied to.

llama.cpp adds ``lora_alpha / r · B·A`` to a weight. Whatever else PEFT scales by (rank-stabilised LoRA, patterns for
single modules) is folded into B. The result equals llama.cpp's own convert_lora_to_gguf.py where that script is right;
it reads ``lora_alpha`` alone and so misses both.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doyen.core.errors import IncompatibleError, storage_errors

Matrix = NDArray[np.float32]

PLAIN = frozenset(
    {
        *("qwen2", "qwen3", "gemma", "gemma2", "phi2", "phi3", "olmo2", "starcoder2", "stablelm", "exaone4", "ernie4_5"),
        *("seed_oss", "apertus", "lfm2", "glm4", "nemotron", "hunyuan-dense"),
    }
)
"""GGUF architectures whose weights keep the row order of the Hugging Face model."""

PERMUTED = frozenset({"llama", "smollm3", "granite", "arcee", "olmo"})
"""Architectures whose query and key rows are stored in the interleaved order of ggml's rotary embedding."""

NOT_IN_GGUF = ("use_dora", "modules_to_save", "layer_replication", "trainable_token_indices", "target_parameters")
TENSOR_NAME = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")


@dataclass(frozen=True)
class BaseShape:
    """What the converter needs to know of the base GGUF.

    Attributes:
        heads: attention heads.
        kv_heads: key and value heads.
        tensors: name to ``(inputs, outputs)``.
        names: gguf's map from Hugging Face module names to tensor names.
    """

    architecture: str
    heads: int
    kv_heads: int
    tensors: dict[str, tuple[int, ...]]
    names: Any


def export_adapter(folder: Path, base: Path, target: Path) -> int:
    """Write the adapter of a PEFT folder as a GGUF LoRA file; ``target`` appears whole or not at all.

    Args:
        folder: with adapter_config.json and adapter_model.safetensors.
        base: GGUF file of the base model.
        target: the file to write.

    Returns:
        How many matrices the adapter changes.

    Raises:
        IncompatibleError: GGUF cannot hold this adapter, or it does not fit the base.
        StorageError: the disk is full.
    """
    config = read_adapter_config(folder)
    shape = read_base(base)
    changes = dict(_changes(folder, config, shape))
    _write(target, shape.architecture, float(config["lora_alpha"]), changes)
    return len(changes)


def export_merged(folder: Path, base: Path, target: Path) -> int:
    """Write a base model with the adapter of a PEFT folder in its weights as one GGUF file, matrices at 8 bits.

    ``target`` appears whole or not at all.

    Args:
        base: GGUF file of the base model, best the one that training started from.

    Returns:
        How many matrices the adapter changes.

    Raises:
        IncompatibleError, StorageError: as `export_adapter`.
    """
    config = read_adapter_config(folder)
    changes = dict(_changes(folder, config, read_base(base)))
    alpha = float(config["lora_alpha"])

    def change(name: str, matrix: Matrix) -> Matrix:
        a, b = changes[name]
        return matrix + np.float32(alpha / a.shape[0]) * (b @ a)

    rewrite_gguf(base, target, changes.keys(), change)
    return len(changes)


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """Return adapter_config.json of a plain LoRA adapter.

    Raises:
        IncompatibleError: it is none, or it uses what GGUF cannot hold.
    """
    path = folder / "adapter_config.json"
    if not path.is_file():
        raise IncompatibleError(f"{folder} has no adapter_config.json: name the folder of a PEFT adapter")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    used = [key for key in NOT_IN_GGUF if config.get(key)]
    if config.get("peft_type", "LORA") != "LORA":
        used.append(f"peft_type {config['peft_type']}")
    if config.get("bias", "none") != "none" or config.get("lora_bias"):
        used.append("bias")
    if used:
        raise IncompatibleError(
            f"the adapter in {folder} uses {', '.join(used)}, which GGUF LoRA cannot hold: "
            'serve it with engine = "transformers" under [serving]'
        )
    return config


@lru_cache(maxsize=4)
def read_base(base: Path) -> BaseShape:
    """Read architecture, heads and tensor shapes of a GGUF model, which takes seconds and is remembered.

    Raises:
        IncompatibleError: adapters for its architecture cannot be converted.
    """
    import gguf

    reader = gguf.GGUFReader(base)
    architecture = str(reader.get_field("general.architecture").contents())
    if architecture not in PLAIN | PERMUTED:
        raise IncompatibleError(
            f"adapters for the architecture {architecture!r} cannot be converted to GGUF: "
            'serve the model with engine = "transformers" under [serving]'
        )

    def number(key: str, default: int | None = None) -> int:
        field = reader.get_field(f"{architecture}.{key}")
        return int(field.contents()) if field is not None else int(default or 0)

    heads = number("attention.head_count")
    enum = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    return BaseShape(
        architecture=architecture,
        heads=heads,
        kv_heads=number("attention.head_count_kv", heads),
        tensors={tensor.name: tuple(int(size) for size in tensor.shape) for tensor in reader.tensors},
        names=gguf.get_tensor_name_map(enum, number("block_count")),
    )


def interleave_rotary(rows: Matrix, heads: int) -> Matrix:
    """Reorder the rows of a query or key matrix from half-split to interleaved rotary pairs, head by head."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def scale_of(config: dict[str, Any], module: str, rank: int) -> float:
    """Return what PEFT multiplies ``B·A`` of a module by: alpha / r, or alpha / √r when rank-stabilised."""
    alpha = float(config["lora_alpha"])
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            alpha = float(value)
            break
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _changes(folder: Path, config: dict[str, Any], base: BaseShape) -> Iterator[tuple[str, tuple[Matrix, Matrix]]]:
    """Give ``(tensor name, (A, B))`` for each changed matrix, B scaled and ordered as llama.cpp expects."""
    for module, halves in sorted(_read_halves(folder).items()):
        if set(halves) != {"A", "B"}:
            raise IncompatibleError(f"the adapter in {folder} has only half of {module}: its file is damaged, train it again")
        a, b = halves["A"], halves["B"]
        rank = a.shape[0]
        name = base.names.get_name(f"{module}.weight", try_suffixes=(".weight",))
        if name not in base.tensors:
            raise IncompatibleError(f"the adapter in {folder} changes {module}, which the base model does not have")
        if base.tensors[name] != (a.shape[1], b.shape[0]):
            raise IncompatibleError(
                f"the adapter in {folder} changes {module} with shape {(a.shape[1], b.shape[0])}, but the base has "
                f"{base.tensors[name]}: it was trained on another base model"
            )
        if base.architecture in PERMUTED and name.endswith(("attn_q.weight", "attn_k.weight")):
            b = interleave_rotary(b, base.heads if "attn_q" in name else base.kv_heads)
        # llama.cpp itself multiplies by lora_alpha / r.
        b = b * np.float32(scale_of(config, module, rank) * rank / float(config["lora_alpha"]))
        yield name, (np.ascontiguousarray(a), np.ascontiguousarray(b))


def _read_halves(folder: Path) -> dict[str, dict[str, Matrix]]:
    from safetensors.torch import load_file

    path = folder / "adapter_model.safetensors"
    if not path.is_file():
        raise IncompatibleError(f"{folder} has no adapter_model.safetensors: train the adapter again")
    halves: dict[str, dict[str, Matrix]] = {}
    # Through torch, because numpy has no bfloat16.
    for key, tensor in load_file(path).items():
        match = TENSOR_NAME.fullmatch(key)
        if match is None:
            raise IncompatibleError(f"the adapter in {folder} has the tensor {key}, which GGUF LoRA cannot hold")
        halves.setdefault(match[1], {})[match[2]] = tensor.float().numpy()
    return halves


def _write(target: Path, architecture: str, alpha: float, changes: dict[str, tuple[Matrix, Matrix]]) -> None:
    import gguf

    with new_gguf(target, architecture) as writer:
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
        for tensor, (a, b) in changes.items():
            writer.add_tensor(f"{tensor}.lora_a", a)
            writer.add_tensor(f"{tensor}.lora_b", b)


def rewrite_gguf(
    source: Path,
    target: Path,
    changed: Collection[str] = (),
    change: Callable[[str, Matrix], Matrix] | None = None,
) -> None:
    """Write a GGUF model with all its matrices at 8 bits, some of them changed; ``target`` appears whole or not at all."""
    import gguf

    reader = gguf.GGUFReader(source)
    with new_gguf(target, reader.get_field("general.architecture").contents()) as writer:
        _copy_metadata(reader, writer)
        for tensor in reader.tensors:
            _add_tensor(tensor, writer, partial(change, tensor.name) if change and tensor.name in changed else None)


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


def _add_tensor(tensor: Any, writer: Any, change: Callable[[Matrix], Matrix] | None) -> None:
    """Add one tensor: vectors unchanged, matrices as Q8_0 (or float16 where a row is no multiple of its blocks)."""
    import gguf
    from gguf.quants import dequantize, quantize

    kinds = gguf.GGMLQuantizationType
    if change is None and tensor.tensor_type in {kinds.F32, kinds.Q8_0}:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        return
    wide = dequantize(tensor.data, tensor.tensor_type)
    if change is not None:
        wide = change(wide)
    block_size, _ = gguf.GGML_QUANT_SIZES[kinds.Q8_0]
    kind = kinds.Q8_0 if wide.shape[-1] % block_size == 0 else kinds.F16
    writer.add_tensor(tensor.name, quantize(wide, kind), raw_dtype=kind)


@contextmanager
def new_gguf(target: Path, architecture: str) -> Iterator[Any]:
    """Give a gguf writer; what was added is at ``target`` when the block ends well, whole or not at all.

    Raises:
        StorageError: the disk is full.
    """
    import gguf

    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        with storage_errors(f"writing {target.name}"):
            writer = gguf.GGUFWriter(name, architecture)
            yield writer
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)
