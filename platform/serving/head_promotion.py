"""Whether a head may be promoted: it is asked anew, beside the one in production, about texts that neither has learned from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from doyen.annotation import labelled_texts
from doyen.annotation.types.typed_labels import Label
from doyen.core.errors import StateError
from doyen.core.settings import EvalSettings
from doyen.core.store import Store
from doyen.core.store.schema import PRODUCTION
from doyen.core.workspace import Workspace
from doyen.eval.gate import Verdict, verdict_text
from doyen.eval.head_scores import Sampling, compare_heads, judge_head, score_head
from doyen.finetune.heads.head_config import HeadType
from doyen.finetune.heads.head_examples import Item, gather_items
from doyen.finetune.heads.head_split import text_hash
from doyen.finetune.heads.majority import majority_labels
from doyen.finetune.heads.train_head import PARTS, Measure, predict
from doyen.finetune.registry import Adapter, Registry
from doyen.platform.serving.served_heads import ServedHeads


def require_better_head(workspace: Workspace, store: Store, adapter: Adapter) -> None:
    """Let a head pass that is surely better than the promoted one of its name; without such, than the majority.

    Raises:
        StateError: it is not; the message says by how much, and what is missing.
    """
    verdict = judge_promotion(workspace, store, adapter)
    if not verdict.met:
        raise StateError(f"{adapter.ref} is not promoted (a written reason overrides):\n{verdict_text([verdict.to_json()])}")


def judge_promotion(workspace: Workspace, store: Store, adapter: Adapter) -> Verdict:
    """Return whether a head is surely better than what it would replace, on labels as they are now."""
    registry = Registry(workspace, store)
    heads = ServedHeads(workspace, registry)
    present = next(
        (each for each in registry.list(adapter.kind) if each.name == adapter.name and each.stage == PRODUCTION), None
    )
    parts, seen = _parts(adapter), set(_parts(present)["train"] if present else [])
    known = gather_items(labelled_texts(store, parts["project"]))
    tested = [item for item in known if text_hash(item.text) in parts["test"] and text_hash(item.text) not in seen]
    true = [item.gold for item in tested if item.gold is not None]
    trained = [item.gold for item in known if item.gold is not None and text_hash(item.text) in parts["train"]]
    kind = HeadType(adapter.manifest["head"])
    other = predict(heads.open(present), tested) if present else majority_labels(kind, trained, true)
    settings = workspace.settings.eval
    sampling = Sampling(settings.bootstrap_samples, settings.seed, [_cluster(item) for item in tested])
    difference = compare_heads(predict(heads.open(adapter), tested), other, true, sampling)
    return judge_head(kind, difference, present.ref if present else "the most frequent answer")


def measure_with(settings: EvalSettings) -> Measure:
    """Return what gives the figures of a head, with the intervals of the settings."""

    def measure(kind: HeadType, predicted: Sequence[Label], true: Sequence[Label], clusters: Sequence[str]) -> dict[str, Any]:
        return score_head(kind, predicted, true, Sampling(settings.bootstrap_samples, settings.seed, clusters))

    return measure


def _parts(adapter: Adapter) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((adapter.folder / PARTS).read_text(encoding="utf-8"))
    return data


def _cluster(item: Item) -> str:
    return item.source or item.group or text_hash(item.text)
