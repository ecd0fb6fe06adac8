"""Adapters out of the registry, for other tools: what was written is loaded again, and must act as the adapter does.

peft          adapter_model.safetensors, adapter_config.json
merged        the whole model in safetensors (bfloat16), with its tokenizer
gguf          the adapter for llama.cpp
gguf-merged   the whole model at 8 bits for llama.cpp
ollama        the whole model at 8 bits, and a Modelfile
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from doyen.core.errors import IncompatibleError, InputError, storage_errors
from doyen.core.files import new_folder, write_json_atomic, write_text_atomic
from doyen.core.models import GeneratorFiles, resolve_generator
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.adapter_reference import Effect, write_reference
from doyen.finetune.reading_adapter import shipped_adapter
from doyen.finetune.registry import WEIGHTS, Adapter, Registry
from doyen.platform.adapters.adapter_card import read_card
from doyen.platform.adapters.modelfile import modelfile_text
from doyen.platform.adapters.tuned_model import TunedModel, load_float32

CONFIG = "adapter_config.json"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class AdapterExport:
    """What was written.

    Attributes:
        folder: where.
        files: their names.
        effect: how what was written acts, beside the adapter.
    """

    adapter: str
    format: str
    folder: Path
    files: list[str]
    effect: Effect

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        probe = {**asdict(self.effect), "allowed": self.effect.allowed}
        return {"adapter": self.adapter, "format": self.format, "folder": str(self.folder), "files": self.files, "probe": probe}


def export_adapter(workspace: Workspace, store: Store, reference: str, form: str, out: Path) -> AdapterExport:
    """Write an adapter in a form that other tools read; ``out`` appears whole or not at all.

    Args:
        reference: "name", "name:version", or the general reading adapter that comes with Doyen.
        form: one of `FORMATS`.
        out: a folder that does not exist yet, or an empty one.

    Raises:
        IncompatibleError: it belongs to another base model, the form cannot hold it, or what was written acts otherwise.
        InputError: there is no such form, or the folder holds something.
        NotFoundError: there is no such adapter.
    """
    if form not in FORMATS:
        raise InputError(f"{form!r} is no form of an adapter: choose {', '.join(FORMATS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} holds something already: name a new folder")
    adapter, base = _exportable(workspace, store, reference)
    tuned = TunedModel(base, adapter.folder)
    with storage_errors("exporting an adapter"), new_folder(out) as target:
        effect = FORMATS[form](adapter, base, tuned, target)
        if effect.problem:
            raise IncompatibleError(f"{adapter.ref} was not exported: as {form} {effect.problem}")
        write_text_atomic(target / "README.md", read_card(workspace, store, adapter))
        write_json_atomic(target / MANIFEST, {**adapter.manifest, "exported": adapter.ref})
        files = sorted(path.name for path in target.iterdir())
    return AdapterExport(adapter.ref, form, out, files, effect)


def _exportable(workspace: Workspace, store: Store, reference: str) -> tuple[Adapter, GeneratorFiles]:
    shipped = shipped_adapter()
    adapter = shipped if shipped and reference == shipped.ref else Registry(workspace, store).get(reference)
    if not adapter.of_generator:
        raise InputError(f"{adapter.ref} is of kind {adapter.kind}: only adapters of the generator are exported")
    base = resolve_generator(workspace.settings.serving.model)
    if base.sha256 != adapter.base_sha256:
        raise IncompatibleError(
            f"{adapter.ref} was trained on {adapter.base_model!r} ({adapter.base_sha256[:12]}…), but serving.model is "
            f"{base.name!r} ({base.sha256[:12]}…): set that to export it"
        )
    return adapter, base


def _peft(adapter: Adapter, base: GeneratorFiles, tuned: TunedModel, target: Path) -> Effect:
    shutil.copy(adapter.folder / WEIGHTS, target)
    config = json.loads((adapter.folder / CONFIG).read_text(encoding="utf-8"))
    write_json_atomic(target / CONFIG, {**config, "base_model_name_or_path": base.name})
    write_reference(target, tuned.points)
    return tuned.effect_of_copy(target)


def _merged(adapter: Adapter, base: GeneratorFiles, tuned: TunedModel, target: Path) -> Effect:
    import torch

    whole = tuned.model.merge_and_unload().to(torch.bfloat16)
    whole.save_pretrained(target, safe_serialization=True)
    tuned.tokenizer.save_pretrained(target)
    return tuned.effect(tuned.scores(load_float32(target)))


def _gguf(adapter: Adapter, base: GeneratorFiles, tuned: TunedModel, target: Path) -> Effect:
    from doyen.platform.serving.engines import gguf_export
    from doyen.platform.serving.engines.gguf_base import serving_gguf

    model, file = serving_gguf(base), target / f"{_file_name(adapter)}-lora.gguf"
    gguf_export.export_adapter(adapter.folder, model, file)
    return _effect_of_files(tuned, model, model, file)


def _gguf_merged(adapter: Adapter, base: GeneratorFiles, tuned: TunedModel, target: Path) -> Effect:
    from doyen.platform.serving.engines.gguf_base import serving_gguf
    from doyen.platform.serving.engines.gguf_export import export_merged

    model, file = serving_gguf(base), target / f"{_file_name(adapter)}.gguf"
    export_merged(adapter.folder, base.gguf or model, file)
    return _effect_of_files(tuned, model, file, None)


def _ollama(adapter: Adapter, base: GeneratorFiles, tuned: TunedModel, target: Path) -> Effect:
    effect = _gguf_merged(adapter, base, tuned, target)
    write_text_atomic(target / "Modelfile", modelfile_text(f"{_file_name(adapter)}.gguf", tuned.tokenizer))
    return effect


FORMATS = {"peft": _peft, "merged": _merged, "gguf": _gguf, "gguf-merged": _gguf_merged, "ollama": _ollama}
"""How each form is written, and how what was written acts."""


def _effect_of_files(tuned: TunedModel, base: Path, model: Path, adapter: Path | None) -> Effect:
    from doyen.platform.serving.engines.gguf_probe import file_scores

    prompts = [point.prompt for point in tuned.points]
    return tuned.effect(file_scores(model, adapter, prompts), base=file_scores(base, None, prompts))


def _file_name(adapter: Adapter) -> str:
    return f"{adapter.name}-{adapter.version}"
