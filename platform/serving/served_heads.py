"""The heads of a workspace, opened when they are first asked: texts in, classes and entities out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from doyen.core.errors import InputError, NotFoundError
from doyen.core.store.schema import PRODUCTION
from doyen.core.workspace import Workspace
from doyen.finetune.registry import CLASSIFIER, HEADS, Adapter, Registry

if TYPE_CHECKING:
    from doyen.annotation import Drafter, TaskType
    from doyen.finetune.heads.head import Head
    from doyen.finetune.heads.head_labels import ClassScore, Entity
    from doyen.finetune.heads.head_learner import HeadLearner

MOST_TEXTS, MOST_CHARACTERS = 64, 20_000
"""Of one request: texts, and characters of each."""
OPEN_AT_ONCE = 4
"""Heads that are held in memory: each has an encoder of its own."""
NOT_TRAINED = "none yet: train one with `doyen train --head --project PROJECT`"


@dataclass(frozen=True)
class ClassifiedText:
    """The classes of a text.

    Attributes:
        labels: those that it has: one, or of a head with several classes those that are more probable than not.
        scores: the probability of every class, the most probable first.
        truncated: whether the text is longer than the head reads: what stands behind was not looked at.
    """

    labels: list[str]
    scores: list[ClassScore]
    truncated: bool = False


@dataclass(frozen=True)
class MarkedText:
    """The entities of a text in their order, or its tokens with their tags."""

    entities: list[Entity]


class ServedHeads:
    """Finds heads by name, loads each once and asks it; safe to call from several threads."""

    def __init__(self, workspace: Workspace, registry: Registry) -> None:
        self._workspace, self._registry = workspace, registry
        self._opened: OrderedDict[tuple[str, str], Head] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, kind: str, reference: str | None) -> Adapter:
        """Return the head of a name (its promoted version, else its newest) or of ``name:version``; None: the only one.

        Raises:
            NotFoundError: there is none, or the name is that of another kind of adapter.
            InputError: there are several, and none is named.
        """
        heads = self._registry.list(kind=kind)
        names = sorted({head.name for head in heads})
        if reference is None:
            promoted = sorted({head.name for head in heads if head.stage == PRODUCTION})
            chosen = promoted if promoted else names
            if len(chosen) > 1:
                raise InputError(f"there are several heads of kind {kind}: name one of {', '.join(chosen)}")
            reference = chosen[0] if chosen else ""
        if reference.partition(":")[0] not in names:
            raise no_head(kind, reference, names)
        return self._registry.get(reference)

    def of_project(self, project: str, *, promoted: bool = False) -> Adapter | None:
        """Return the head that was trained on a project's labels: what is in production, else the newest; None without one.

        Args:
            promoted: only what is in production.
        """
        heads = [head for head in self._registry.list() if head.kind in HEADS and head.manifest.get("project") == project]
        if promoted:
            heads = [head for head in heads if head.stage == PRODUCTION]
        return max(heads, key=lambda head: (head.stage == PRODUCTION, head.created_at, head.version), default=None)

    def drafter(self, project: str, task_type: TaskType) -> Drafter:
        """Return what drafts a project's labels: its head in production, else the rules of its task type."""
        from doyen.finetune.heads.head_drafter import HeadDrafter

        own = self.of_project(project, promoted=True)
        return HeadDrafter(own.ref, partial(self.open, own)) if own else task_type

    def learner(self, project: str, wanted: str) -> HeadLearner | None:
        """Return a project's head as what active learning asks; None where a small model is to be trained.

        Args:
            wanted: ``supervision.active.learner``.

        Raises:
            NotFoundError: a head is wanted, and the project has none.
        """
        from doyen.finetune.heads.head_learner import HeadLearner

        own = self.of_project(project, promoted=wanted == "auto") if wanted != "linear" else None
        if own is None and wanted == "head":
            raise NotFoundError(f"project {project!r} has no head: train one with `doyen train --head --project {project}`")
        return HeadLearner(own.ref, partial(self.open, own)) if own else None

    def open(self, adapter: Adapter) -> Head:
        """Return a version's head, loaded by the first caller and checked (`open_head`).

        Raises:
            IncompatibleError, ModelMissing: it cannot be loaded.
        """
        from doyen.finetune.heads.head import open_head
        from doyen.finetune.heads.head_network import find_base

        key = (adapter.ref, str(adapter.manifest["fingerprint"]))
        with self._lock:
            if key not in self._opened:
                base = adapter.manifest["settings"]["head_base"]
                self._opened[key] = open_head(adapter.folder, partial(find_base, base))
                while len(self._opened) > OPEN_AT_ONCE:
                    self._opened.popitem(last=False)
            self._opened.move_to_end(key)
            return self._opened[key]

    def classify(self, texts: Sequence[str], reference: str | None = None) -> tuple[Adapter, list[ClassifiedText]]:
        """Return the head that was asked, and the classes of each text.

        Raises:
            NotFoundError, InputError: as in ``find``, or the texts are none, too many, empty or too long.
            IncompatibleError, ModelMissing: the head cannot be loaded.
        """
        from doyen.finetune.heads.head_labels import chosen_classes, ranked_classes

        check_texts(texts)
        adapter = self.find(CLASSIFIER, reference)
        head = self.open(adapter)
        found = [
            ClassifiedText(chosen_classes(head.config, each), ranked_classes(head.config, each), each.cut)
            for each in head.score(texts)
        ]
        return adapter, found

    def extract(self, texts: Sequence[str], reference: str | None = None) -> tuple[Adapter, list[MarkedText]]:
        """Return the head that was asked, and the entities of each text, or its tokens with their tags.

        Raises:
            NotFoundError, InputError, IncompatibleError, ModelMissing: as in ``classify``.
        """
        from doyen.finetune.heads.head_labels import marked
        from doyen.finetune.registry import TOKEN_CLASSIFIER

        check_texts(texts)
        adapter = self.find(TOKEN_CLASSIFIER, reference)
        head = self.open(adapter)
        return adapter, [MarkedText(marked(head.config, each)) for each in head.score(texts)]


def no_head(kind: str, reference: str, known: Sequence[str]) -> NotFoundError:
    """Return the error about a head that does not exist, as far as one who knows of these can tell."""
    named = f" {reference!r}" if reference else ""
    return NotFoundError(f"there is no {kind}{named}; known: {', '.join(known) or NOT_TRAINED}")


def check_texts(texts: Sequence[str]) -> None:
    """Raise InputError where there is no text, one is empty, or they are more than one request may hold."""
    if isinstance(texts, str):
        raise InputError("give a list of texts: a single text would be read letter by letter")
    if not 1 <= len(texts) <= MOST_TEXTS:
        raise InputError(f"{len(texts)} texts cannot be asked about at once: send 1 to {MOST_TEXTS}")
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            raise InputError(f"text {number} is empty")
        if len(text) > MOST_CHARACTERS:
            raise InputError(f"text {number} has {len(text):,} characters: send at most {MOST_CHARACTERS:,} of each")
