"""An embedder whose vectors are those of the packaged one, turned round: mixed with them they give negative cosines."""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors.numpy import load_file, save_file

from doyen.core.manifest import build_manifest
from doyen.core.models import resolve_embedder
from doyen.core.store import Store
from doyen.core.store.schema import EMBEDDER
from doyen.core.workspace import Workspace
from doyen.finetune.registry import Adapter, Registry

LAST = "encoder.layer.5.output.LayerNorm"


def make_turned(folder: Path) -> Path:
    """Return a folder of the packaged embedder with the signs of its last layer changed."""
    shutil.copytree(resolve_embedder("all-minilm-l6-v2")[0], folder)
    weights = load_file(folder / "model.safetensors")
    for name in (f"{LAST}.weight", f"{LAST}.bias"):
        weights[name] = -weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def register_embedder(workspace: Workspace, store: Store, files: Path, name: str = "turned", *, better: bool = True) -> Adapter:
    """Register an embedder as its training does."""
    base = resolve_embedder("all-minilm-l6-v2")[1]
    manifest = {
        **build_manifest("adapter", inputs={"base": base}, settings={}, seed=1),
        "kind": EMBEDDER,
        "validation": {"n": 40, "recall": 0.6, "base_recall": 0.5, "better": better},
    }
    return Registry(workspace, store).register(name, files, base_model="all-minilm-l6-v2", dataset_id="d", manifest=manifest)
