"""Whether a model's drafts may be used: people judge a random sample first, and its precision decides about the others."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.annotation import TaskType, get_project, labelled_texts, open_texts, set_order, task_texts
from doyen.annotation.store import task_type_of
from doyen.annotation.types.typed_labels import Label, PromptResponse
from doyen.core.errors import InputError
from doyen.core.files import write_json_atomic, write_text_atomic
from doyen.core.manifest import fingerprint, now, short_id
from doyen.core.records import Pair
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.supervision.draft_log import Drafted, DraftLog
from doyen.finetune.supervision.generated import project_folder
from doyen.finetune.supervision.likeness import likeness
from doyen.finetune.supervision.weak.function_table import wilson

FILE = "audit.json"
LEAST = 20
"""Judged drafts below which no interval decides."""


@dataclass(frozen=True)
class Audit:
    """What people made of the sample.

    Attributes:
        version: of the drafts.
        above: score from which drafts are looked at.
        judged: drafts of the sample that people have labelled; ``waiting`` are still to be.
        precision: how far people's labels say the same as the drafts, on average; None where nothing is judged.
        low, high: its 95% interval.
        passed: whether the interval lies above ``supervision.generated.min_precision``, and enough are judged.
    """

    version: str
    above: float
    judged: int
    waiting: int
    precision: float | None
    low: float | None
    high: float | None
    passed: bool

    def describe(self) -> str:
        """Return it as a sentence."""
        if self.precision is None:
            return f"Audit of {self.version}: nothing is judged yet, {self.waiting} drafts wait first in the queue."
        figures = f"{self.precision:.1%} right [{self.low:.1%}, {self.high:.1%}] of {self.judged} drafts"
        verdict = "passed" if self.passed else "not passed"
        return f"Audit of {self.version}, score {self.above:g} and above: {figures}, {self.waiting} wait: {verdict}."


def send_audit(workspace: Workspace, store: Store, project: str, version: str) -> int:
    """Put a random sample of the drafts first in people's queue, filled up where it is too small; return how many wait.

    The sample is drawn from all drafts of this version alike, whatever their score, and remembers what they said.
    """
    folder = project_folder(workspace, project)
    settings = workspace.settings.supervision.generated
    sample = _read(folder, version)
    drafts = {uid: drafted for uid, drafted in _open_drafts(store, project, folder, version) if uid not in sample}
    missing = max(0, settings.audit - len(sample))
    for uid in random.Random(settings.seed).sample(sorted(drafts), min(missing, len(drafts))):
        sample[uid] = {"label": drafts[uid].label, "score": drafts[uid].score}
    folder.mkdir(parents=True, exist_ok=True)
    write_json_atomic(folder / FILE, {"version": version, "drafts": sample})
    waiting = [text.item_id for text in open_texts(store, project) if text.item_id in sample]
    least_certain_first = sorted(drafts.keys() - sample.keys(), key=lambda uid: (drafts[uid].score, uid))
    set_order(store, project, [*waiting, *least_certain_first])
    return len(waiting)


def measure_audit(workspace: Workspace, store: Store, project: str, version: str, above: float = 0.0) -> Audit:
    """Return how far people agree with the drafts of the sample whose score is high enough.

    Where several people have labelled a text, their mean counts.
    """
    settings = workspace.settings.supervision.generated
    task_type = task_type_of(get_project(store, project))
    sample = _read(project_folder(workspace, project), version)
    chosen = {uid: _label(task_type, each["label"]) for uid, each in sample.items() if each["score"] >= above}
    said: dict[str, list[float]] = defaultdict(list)
    for found in labelled_texts(store, project):
        drafted = chosen.get(found.item_id)
        if drafted is not None:
            said[found.item_id].append(likeness(drafted, found.label))
    right = sum(sum(each) / len(each) for each in said.values())
    precision = right / len(said) if said else None
    low, high = wilson(right, len(said)) if said else (None, None)
    passed = low is not None and len(said) >= LEAST and low >= settings.min_precision
    return Audit(version, above, len(said), len(chosen) - len(said), precision, low, high, passed)


def accept_drafts(
    workspace: Workspace, store: Store, project: str, version: str, above: float, path: Path
) -> tuple[int, Audit]:
    """Write the drafts that are certain enough as training pairs, with the model as their annotator; return how many.

    They stay drafts in the project: no label of a person is made of them.

    Raises:
        InputError: the audit of drafts with such a score is not passed.
    """
    audit = measure_audit(workspace, store, project, version, above)
    if not audit.passed:
        wanted = workspace.settings.supervision.generated.min_precision
        raise InputError(
            f"{audit.describe()} Drafts are used without people only after at least {LEAST} of the sample are judged and the "
            f"interval lies above supervision.generated.min_precision = {wanted:g}: label the sample, or choose a higher score"
        )
    task_type = task_type_of(get_project(store, project))
    folder = project_folder(workspace, project)
    texts = {text.item_id: text for text in task_texts(store, project)}
    pairs: list[Pair] = []
    for uid, drafted in _open_drafts(store, project, folder, version):
        label = _label(task_type, drafted.label)
        if label is None or drafted.score < above:
            continue
        data = {"uid": uid, "text": texts[uid].text, **texts[uid].meta}
        who = {"pair_id": short_id(uid, version), "annotator": version, "created_at": now()}
        pairs.append(task_type.to_pair(label, data, **who))
    lines = (json.dumps(pair.model_dump(exclude_defaults=True), ensure_ascii=False) + "\n" for pair in pairs)
    write_text_atomic(path, "".join(lines))
    return len(pairs), audit


def _open_drafts(store: Store, project: str, folder: Path, version: str) -> Iterator[tuple[str, Drafted]]:
    """Yield the drafts of tasks that nobody has labelled: of questions those that the task asks."""
    by_text: dict[str, list[Drafted]] = defaultdict(list)
    for drafted in DraftLog(folder).known.values():
        if drafted.label is not None and drafted.version == version:
            by_text[drafted.text].append(drafted)
    for text in open_texts(store, project):
        for drafted in reversed(by_text.get(fingerprint(text.text), ())):
            asks = drafted.label.get("prompt") if drafted.label else None
            if asks is None or asks == text.prompt:
                yield text.item_id, drafted
                break


def _label(task_type: TaskType, label: dict[str, Any] | None) -> Label | None:
    found = task_type.stored({"label": label, "problems": [], "reason": ""}).label
    return found if not isinstance(found, PromptResponse) or found.prompt else None


def _read(folder: Path, version: str) -> dict[str, dict[str, Any]]:
    """Return the sample of this version; another model, or other prompts, begin a new one."""
    try:
        stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    drafts: dict[str, dict[str, Any]] = stored["drafts"] if stored["version"] == version else {}
    return drafts
