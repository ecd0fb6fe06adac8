"""The use cases of drafts by a model, as ``Doyen.model_drafts``: what the command line and Python call.

doyen = Doyen("my-domain")
print(doyen.model_drafts.estimate("qa").describe())
doyen.model_drafts.draft("qa")
print(doyen.model_drafts.audit("qa").describe())
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from doyen.core.errors import SettingsError
from doyen.core.extras import methods_name_extras
from doyen.core.progress import Reporter, Silent
from doyen.core.store import Store
from doyen.core.workspace import Workspace

if TYPE_CHECKING:
    from doyen.core.costs import Estimate
    from doyen.finetune.registry import Adapter
    from doyen.finetune.supervision.draft_audit import Audit
    from doyen.finetune.supervision.generated import DraftReport
    from doyen.finetune.supervision.question_drafts import SpanReader
    from doyen.platform.serving.engine_writer import EngineWriter


@methods_name_extras
class ModelDrafts:
    """Labels and questions that a model drafts for people to correct."""

    def __init__(self, workspace: Workspace, store: Store, reporter: Reporter | None = None) -> None:
        self._workspace, self._store, self._reporter = workspace, store, reporter or Silent()

    def draft(self, project: str, *, limit: int | None = None, sources: Sequence[str] = ()) -> DraftReport:
        """Draft a project's open tasks and the chunks without a task; see `label_by_model`.

        Args:
            limit: texts for which the model is asked, at most.
            sources: only chunks of these documents.
        """
        from doyen.finetune.supervision.generated import label_by_model

        where = self._workspace, self._store, project
        with self._model() as model:
            return label_by_model(*where, model, self._reader(project), limit=limit, sources=sources, reporter=self._reporter)

    def estimate(self, project: str, *, limit: int | None = None, sources: Sequence[str] = ()) -> Estimate:
        """Draft a few texts, which are kept, and return what the others take; see `estimate_drafts`."""
        from doyen.finetune.supervision.generated import estimate_drafts

        where = self._workspace, self._store, project
        with self._model() as model:
            return estimate_drafts(*where, model, self._reader(project), limit=limit, sources=sources, reporter=self._reporter)

    def audit(self, project: str, *, above: float = 0.0) -> Audit:
        """Return how far people agree with the sample of drafts; see `measure_audit`."""
        from doyen.finetune.supervision.draft_audit import measure_audit

        return measure_audit(self._workspace, self._store, project, self._version(), above)

    def accept(self, project: str, above: float, pairs: Path) -> tuple[int, Audit]:
        """Write drafts from a score on as training pairs, where their audit is passed; see `accept_drafts`."""
        from doyen.finetune.supervision.draft_audit import accept_drafts

        return accept_drafts(self._workspace, self._store, project, self._version(), above, pairs)

    def draft_by_head(self, project: str, head: str | None = None) -> tuple[Adapter, int]:
        """Replace the drafts of a project's open tasks by those of a head.

        Args:
            head: "name" or "name:version"; None takes the newest that was trained on this project, or what is in production.

        Returns:
            The head that was asked, and how many tasks have a new draft.

        Raises:
            NotFoundError: there is no such project or head.
            InputError: the head gives other labels than the project has.
        """
        from functools import partial

        from doyen.annotation import get_project, redraft_tasks
        from doyen.annotation.store import task_type_of
        from doyen.finetune.heads.head_config import head_type
        from doyen.finetune.heads.head_drafter import HeadDrafter, require_fitting
        from doyen.finetune.registry import CLASSIFIER, TOKEN_CLASSIFIER, Registry
        from doyen.platform.serving.served_heads import ServedHeads

        description = task_type_of(get_project(self._store, project)).description
        heads = ServedHeads(self._workspace, Registry(self._workspace, self._store))
        kind = TOKEN_CLASSIFIER if head_type(description).of_words else CLASSIFIER
        own = heads.of_project(project) if head is None else None
        adapter = own or heads.find(kind, head)
        require_fitting(adapter, description)
        drafter = HeadDrafter(adapter.ref, partial(heads.open, adapter))
        return adapter, redraft_tasks(self._store, project, drafter, reporter=self._reporter)

    @contextmanager
    def _model(self) -> Iterator[EngineWriter]:
        """Open the server of ``supervision.generated``, else the engine that answers.

        Raises:
            SettingsError: the server's address without a model.
        """
        from doyen.platform.serving.engine_writer import EngineWriter
        from doyen.platform.serving.engines import Engine, open_engine
        from doyen.platform.serving.engines.openai import OpenAIEngine

        chosen, engine = self._workspace.settings.supervision.generated, None
        if chosen.url and not chosen.model:
            raise SettingsError("[supervision.generated]", ["model: name the server's model, as the server calls it"])
        if chosen.url:
            engine = OpenAIEngine(chosen.url, chosen.model, chosen.api_key.get_secret_value())
        opened: Engine = engine or open_engine(self._workspace)
        with closing(opened):
            yield EngineWriter(opened)

    def _version(self) -> str:
        from doyen.finetune.supervision.generated import version_of
        from doyen.platform.serving.engines import open_engine

        chosen = self._workspace.settings.supervision.generated
        if chosen.url:
            return version_of(chosen.model)
        with closing(open_engine(self._workspace)) as engine:
            return version_of(engine.model)

    def _reader(self, project: str) -> SpanReader | None:
        """Return the workspace's reader, for questions; None where there is nothing to read."""
        from doyen.annotation import get_project
        from doyen.annotation.types.descriptions import TypeName
        from doyen.finetune.registry import Registry
        from doyen.platform.serving.reading import NONE, find_reader
        from doyen.retrieval.reading.reader import open_reader
        from doyen.retrieval.reading.reader_files import GENERAL_READER

        wanted = self._workspace.settings.serving.reader
        if wanted == NONE or get_project(self._store, project).task_type != TypeName.PROMPT_RESPONSE:
            return None
        found = find_reader(Registry(self._workspace, self._store), wanted)
        return open_reader(found.folder if found else GENERAL_READER)
