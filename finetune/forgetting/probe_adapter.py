"""Probing an adapter that was trained or imported without a probe."""

from __future__ import annotations

from pathlib import Path

from doyen.core.errors import IncompatibleError, InputError
from doyen.core.files import sha256_file
from doyen.core.models import LOADING, resolve_generator
from doyen.core.progress import Reporter, Silent
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.adapter_lineage import ancestors
from doyen.finetune.forgetting import FORGETTING
from doyen.finetune.registry import WEIGHTS, Adapter, Registry


def probe_adapter(workspace: Workspace, store: Store, reference: str, reporter: Reporter | None = None) -> Adapter:
    """Probe what an adapter of the generator has forgotten, and add it to its manifest.

    The change is that since the adapter it was trained from, where its weights are still there, else since the base model.

    Raises:
        IncompatibleError: the workspace's model is another base.
        InputError: it is no adapter of the generator.
        ModelMissing: the base model is not there.
        NotFoundError: there is no such adapter.
    """
    from peft import PeftModel

    from doyen.finetune.adapter_model import load_base
    from doyen.finetune.forgetting.forgetting_card import forgetting_of, probe_before
    from doyen.finetune.forgetting.forgetting_probe import probe_model

    reporter, registry = reporter or Silent(), Registry(workspace, store)
    adapter = registry.get(reference)
    if not adapter.of_generator:
        raise InputError(f"{adapter.ref} is of kind {adapter.kind}: only adapters of the generator are probed")
    base, dtype = resolve_generator(workspace.settings.serving.model), workspace.settings.finetune.dtype
    if adapter.base_sha256 != base.sha256:
        raise IncompatibleError(f"{adapter.ref} was trained on another base than {base.name!r}: set serving.model to that one")
    start = _start_of(registry, adapter)
    with LOADING:
        model, tokenizer = load_base(base.folder, dtype)
        model = PeftModel.from_pretrained(model, start or adapter.folder)
    before = probe_before(model, tokenizer, base, start, dtype, reporter)
    if start:
        model.load_adapter(adapter.folder, "probed")
        model.set_adapter("probed")
    reporter.say(f"probing {adapter.ref}")
    return registry.add_to_manifest(adapter.ref, FORGETTING, forgetting_of(before, probe_model(model, tokenizer)))


def _start_of(registry: Registry, adapter: Adapter) -> Path | None:
    """Return the folder of the adapter that a training went on from; None for none, and where its weights are gone."""
    wanted = adapter.manifest.get("inputs", {}).get("start")
    parents = [each.folder for each in ancestors(registry, adapter)[:1] if isinstance(each, Adapter)]
    found = [folder for folder in parents if (folder / WEIGHTS).is_file() and sha256_file(folder / WEIGHTS) == wanted]
    return found[0] if found else None
