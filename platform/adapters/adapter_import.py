"""Adapters that were trained elsewhere, into the registry: their base and shapes are checked, and that they act."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from doyen.core.errors import IncompatibleError, InputError, storage_errors
from doyen.core.files import sha256_file, write_json_atomic
from doyen.core.manifest import build_manifest
from doyen.core.models import GeneratorFiles, resolve_generator
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.adapter_reference import REFERENCE, write_reference
from doyen.finetune.registry import GENERATOR, WEIGHTS, Adapter, Registry
from doyen.platform.adapters.adapter_export import CONFIG, MANIFEST
from doyen.platform.adapters.tuned_model import TunedModel

_LORA = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<half>[AB])\.weight")
_MAGNITUDE = re.compile(r"base_model\.model\.(.+)\.lora_magnitude_vector")
_SETTINGS = ("r", "lora_alpha", "use_rslora", "use_dora", "target_modules", "rank_pattern", "alpha_pattern")


def import_adapter(workspace: Workspace, store: Store, folder: Path, *, name: str, other_base_name: bool = False) -> Adapter:
    """Register a PEFT folder as the next version of a name, a candidate; the same files again are the version that there is.

    Args:
        folder: with adapter_config.json and adapter_model.safetensors.
        other_base_name: take it although it names another base model than ``serving.model``, where it is the same by another
            name; the shapes must fit all the same.

    Raises:
        IncompatibleError: it belongs to another base, is no LoRA adapter of a language model, or does nothing.
        InputError: the folder holds no such files, or pickled weights alone, or the name is that of another kind of adapter.
    """
    registry = Registry(workspace, store)
    registry.require_kind(name, GENERATOR)
    config = _read_config(folder)
    base = resolve_generator(workspace.settings.serving.model)
    exported = _require_base(folder, config, base, other_base_name)
    _require_shapes(folder / WEIGHTS, base)
    manifest = _manifest(folder, config, base, exported)
    if known := registry.find(name, manifest["fingerprint"]):
        return known
    with storage_errors("importing an adapter"), tempfile.TemporaryDirectory(prefix="doyen-") as place:
        files = Path(place)
        shutil.copy(folder / WEIGHTS, files)
        write_json_atomic(files / CONFIG, {**config, "base_model_name_or_path": base.name})
        if (folder / REFERENCE).is_file():
            shutil.copy(folder / REFERENCE, files)
        tuned = TunedModel(base, files)
        write_reference(files, tuned.points)
        return registry.register(name, files, base_model=base.name, dataset_id="", manifest=manifest)


def _read_config(folder: Path) -> dict[str, Any]:
    if not (folder / WEIGHTS).is_file():
        pickled = [path.name for path in folder.glob("*.bin")]
        remedy = "save it again with `save_pretrained(folder, safe_serialization=True)`"
        why = f"has {pickled[0]}, which runs code when it is read: {remedy}" if pickled else f"has no {WEIGHTS}"
        raise InputError(f"{folder} {why}")
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / CONFIG} cannot be read ({error}): name the folder of a PEFT adapter") from error
    if config.get("peft_type") != "LORA" or config.get("task_type") not in {None, "CAUSAL_LM"}:
        told = f"{config.get('peft_type')}, {config.get('task_type')}"
        raise IncompatibleError(
            f"the adapter in {folder} is of type {told}: only LoRA adapters of language models are imported"
        )
    return config


def _require_base(folder: Path, config: dict[str, Any], base: GeneratorFiles, other_name: bool) -> dict[str, Any]:
    """Check which base the adapter belongs to: by the hash that an export tells, else by the name.

    Returns:
        The manifest of an export, else nothing.
    """
    exported: dict[str, Any] = {}
    if (folder / MANIFEST).is_file():
        exported = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    if sha256 := exported.get("inputs", {}).get("base"):
        if sha256 != base.sha256:
            raise IncompatibleError(
                f"the adapter in {folder} was trained on weights with sha256 {sha256[:12]}…, but serving.model "
                f"is {base.name!r} ({base.sha256[:12]}…)"
            )
        return exported
    named = str(config.get("base_model_name_or_path") or "")
    if _plain(named) != _plain(base.name) and not other_name:
        raise IncompatibleError(
            f"the adapter in {folder} names {named or 'no model'!r} as its base, and serving.model is {base.name!r}: set "
            "that, or add --other-base-name where both are the same model"
        )
    return exported


def _plain(name: str) -> str:
    """Return the last part of a model's name, letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", name.rstrip("/").rpartition("/")[2].lower())


def _require_shapes(weights: Path, base: GeneratorFiles) -> None:
    """Check that each matrix changes one of the base's, and fits it; the base's weights are not read for it."""
    from safetensors import safe_open

    shapes = _module_shapes(base)
    with safe_open(str(weights), "pt") as file:
        names = list(file.keys())
        found = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    for name, shape in found.items():
        match = _LORA.fullmatch(name)
        if match is None:
            if _MAGNITUDE.fullmatch(name):
                continue
            raise IncompatibleError(f"{weights} has the tensor {name}, which is no part of a LoRA adapter")
        module, half = match["module"], match["half"]
        if module not in shapes:
            raise IncompatibleError(
                f"{weights} changes {module}, which {base.name!r} does not have: it is of another base model"
            )
        outputs, inputs = shapes[module]
        if (shape[1] if half == "A" else shape[0]) != (inputs if half == "A" else outputs):
            raise IncompatibleError(
                f"{weights} changes {module} by a matrix of shape {shape}, and {base.name!r} has ({outputs}, {inputs}) there: "
                "it is of another base"
            )


def _module_shapes(base: GeneratorFiles) -> dict[str, tuple[int, int]]:
    """Return (outputs, inputs) of the base's linear layers by name."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base.folder))
    modules = model.named_modules()
    return {name: tuple(module.weight.shape) for name, module in modules if isinstance(module, torch.nn.Linear)}


def _manifest(folder: Path, config: dict[str, Any], base: GeneratorFiles, exported: dict[str, Any]) -> dict[str, Any]:
    inputs = {"base": base.sha256, "weights": sha256_file(folder / WEIGHTS), "config": sha256_file(folder / CONFIG)}
    settings = {name: config[name] for name in _SETTINGS if config.get(name)}
    made = build_manifest("adapter", inputs=inputs, settings=settings)
    return {**made, "base_model": base.name, "origin": "import", "imported_from": folder.name, "exported": exported or None}
