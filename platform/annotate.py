"""The use cases of annotation, as ``Doyen.annotate``: what the command line, the gateway and Python call.

doyen = Doyen("my-domain")
doyen.annotate.create("qa", limit=200)
doyen.annotate.push("qa")
doyen.annotate.pull("qa")
doyen.build_dataset("qa", project="qa")

A project is known by its name. ``annotation.projects`` checks names, and keeps two syncs of one project apart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from doyen.annotation.adopt import AdoptionReport, adopt_project
from doyen.annotation.create import create_project, register_webhook, relink, separate
from doyen.annotation.current_labels import Labels, export_pairs, export_rows, labelled_texts
from doyen.annotation.exchange.label_import import ImportReport, import_pairs
from doyen.annotation.feedback_tasks import FeedbackReport, feedback_tasks
from doyen.annotation.labelling import (
    LabellingTask,
    Progress,
    get_task,
    labelling_progress,
    next_task,
    store_label,
)
from doyen.annotation.pulled_labels import PullReport
from doyen.annotation.stale import mark_stale, stale_tasks
from doyen.annotation.status import ProjectStatus, project_status
from doyen.annotation.store import get_project, list_projects, task_type_of
from doyen.annotation.sync import PushReport, pull, push
from doyen.annotation.task_types import TaskType
from doyen.annotation.tasks import draft_tasks, redraft_tasks, text_tasks
from doyen.annotation.texts import read_texts
from doyen.annotation.types.descriptions import TaskDescription
from doyen.annotation.types.drafter import Drafter
from doyen.core.extras import methods_name_extras, require_module
from doyen.core.progress import Reporter, Silent
from doyen.core.store import Store
from doyen.core.workspace import Workspace

if TYPE_CHECKING:
    from doyen.annotation.exchange.doccano_pull import DoccanoReport
    from doyen.annotation.exchange.doccano_server import DoccanoServer
    from doyen.annotation.exchange.record_files import Losses
    from doyen.annotation.exchange.transfer import FileExport, FileImport
    from doyen.annotation.quality.agreement import AgreementReport
    from doyen.annotation.quality.disputed_tasks import DisputedTask
    from doyen.annotation.quality.gold import GoldReport
    from doyen.annotation.quality.review import AdjudicationReport
    from doyen.core.lineage import StaleReport
    from doyen.core.records import Pair, Question

# Formats of other tools and the measures of agreement are imported where they are used: most commands need neither.


@methods_name_extras
class Annotation:
    """What can be done with the labelling projects of a workspace."""

    def __init__(self, workspace: Workspace, store: Store, reporter: Reporter | None = None) -> None:
        self._workspace, self._store, self._reporter = workspace, store, reporter or Silent()

    # Projects

    def create(
        self,
        project: str,
        task_type: str | None = None,
        description: TaskDescription | None = None,
        *,
        texts: Path | None = None,
        limit: int | None = None,
        sources: Sequence[str] = (),
        drafter: Drafter | None = None,
        webhook: str | None = None,
        overlap: int | None = None,
        share: float | None = None,
    ) -> tuple[int, ProjectStatus]:
        """Make or update a project (see `create_project`) and its tasks: one for each chunk or text without one.

        Args:
            texts: a file of texts to label instead of chunks (see `read_texts`).
            limit: at most this many new tasks.
            sources: only chunks of these documents.
            drafter: proposes labels; None goes by rule.
            webhook: the gateway's base URL, which Label Studio is to call when labels change.

        Returns:
            How many tasks are new, and where the project stands.
        """
        given = read_texts(texts) if texts else None
        create_project(self._workspace, self._store, project, task_type, description, overlap=overlap, share=share)
        if webhook:
            register_webhook(self._workspace, self._store, project, webhook)
        if given is not None:
            made = text_tasks(self._store, project, given, drafter=drafter, limit=limit, reporter=self._reporter)
        else:
            made = draft_tasks(self._store, project, drafter=drafter, limit=limit, sources=sources, reporter=self._reporter)
        return made, project_status(self._store, project)

    def adopt(self, project: str, remote_id: int, task_type: str) -> AdoptionReport:
        """Take over a project on the server that was not made here, and pull its labels; see `adopt_project`."""
        return adopt_project(self._workspace, self._store, project, remote_id, task_type, reporter=self._reporter)

    def relink(self, project: str, remote_id: int | None = None) -> ProjectStatus:
        """Connect to the project on the server that holds these tasks; see `relink`."""
        return relink(self._workspace, self._store, project, None if remote_id is None else str(remote_id))

    def separate(self) -> list[str]:
        """Make a copied workspace one of its own; see `separate`."""
        return separate(self._store)

    def projects(self) -> list[ProjectStatus]:
        """Return where each project stands, by name, as the last pull found it."""
        return [project_status(self._store, row.name) for row in list_projects(self._store)]

    def status(self, project: str) -> tuple[ProjectStatus, StaleReport]:
        """Return where a project stands, and what of it is stale by now and was used."""
        mark_stale(self._workspace, self._store)
        return project_status(self._store, project), stale_tasks(self._workspace, self._store, project)

    def task_type(self, project: str) -> TaskType:
        """Return the task type of a project. Raises NotFoundError."""
        return task_type_of(get_project(self._store, project))

    # Tasks out, labels in

    def push(self, project: str, *, scores: bool = False, overlap: int | None = None, share: float | None = None) -> PushReport:
        """Send the tasks that are not there yet; see `push`."""
        return push(self._workspace, self._store, project, scores=scores, overlap=overlap, share=share, reporter=self._reporter)

    def pull(self, project: str) -> PullReport:
        """Fetch the labels that changed since the last pull; see `pull`."""
        return pull(self._workspace, self._store, project, reporter=self._reporter)

    def redraft(self, project: str, drafter: Drafter) -> int:
        """Replace the drafts of tasks that nobody has labelled; see `redraft_tasks`."""
        return redraft_tasks(self._store, project, drafter, reporter=self._reporter)

    def feedback(self, project: str, frozen: Sequence[Question] = ()) -> FeedbackReport:
        """Make tasks from answers that were found wrong in the chat; see `feedback_tasks`."""
        return feedback_tasks(self._store, project, frozen)

    # Labelling without a server

    def next_task(self, project: str, annotator: str, skipped: Collection[str] = ()) -> LabellingTask | None:
        """Return the task that a person labels next; see `next_task`."""
        return next_task(self._store, project, annotator, skipped)

    def task(self, project: str, uid: str, annotator: str) -> LabellingTask:
        """Return one task with the person's label; see `get_task`."""
        return get_task(self._store, project, uid, annotator)

    def label(self, project: str, uid: str, label: Mapping[str, Any], *, annotator: str, reason: str = "") -> str:
        """Store a person's label of a task; see `store_label`."""
        return store_label(self._workspace, self._store, project, uid, label, annotator=annotator, reason=reason)

    def progress(self, project: str, annotator: str) -> Progress:
        """Return how far a project is for one person; see `labelling_progress`."""
        return labelling_progress(self._store, project, annotator)

    # Exchange

    def import_pairs(self, project: str, pairs: Sequence[Pair]) -> ImportReport:
        """Take labelled pairs in as annotations; see `import_pairs`."""
        return import_pairs(self._workspace, self._store, project, pairs, reporter=self._reporter)

    def import_labels(
        self, project: str, path: Path, format_name: str, *, task_type: str | None = None, annotator: str = ""
    ) -> FileImport:
        """Take the labels of a file of another tool in; see `import_labels`."""
        from doyen.annotation.exchange.transfer import import_labels

        where = self._workspace, self._store, project, path, format_name
        return import_labels(*where, kind=task_type, annotator=annotator, reporter=self._reporter)

    def pull_doccano(
        self,
        project: str,
        server: DoccanoServer,
        remote_id: int,
        *,
        task_type: str | None = None,
        only_new: bool = False,
    ) -> DoccanoReport:
        """Fetch the confirmed labels of a project on a Doccano server; see `pull_doccano`."""
        from doyen.annotation.exchange.doccano_pull import pull_doccano

        where = self._workspace, self._store, project, server, remote_id
        return pull_doccano(*where, kind=task_type, only_new=only_new, reporter=self._reporter)

    def export_pairs(self, project: str, path: Path) -> Labels:
        """Write a project's labels as training pairs; see `export_pairs`."""
        return export_pairs(self._store, project, path)

    def export_rows(self, project: str, path: Path) -> tuple[int, list[str]]:
        """Write a project's labels as rows for a classifier; return how many, and what is wrong with labels left out."""
        problems: list[str] = []
        return export_rows(self._store, project, path, problems), problems

    def export_labels(self, project: str, path: Path, format_name: str) -> FileExport:
        """Write a project's labels in another tool's format; see `export_labels`."""
        from doyen.annotation.exchange.transfer import export_labels

        return export_labels(self._store, project, path, format_name)

    # Quality

    def agreement(
        self, project: str, *, period: Literal["week", "month"] = "week", order: Sequence[str] | None = None
    ) -> tuple[AgreementReport, list[str]]:
        """Measure how far annotators agree with each other and with gold items.

        Args:
            period: length of the periods over which agreement is followed.
            order: classes from low to high; None takes the description's, where it has one.

        Returns:
            The figures, and a sentence for each label that is not valid and so is left out.
        """
        from doyen.annotation.quality.agreement import agreement_report
        from doyen.annotation.quality.gold import gold_labels

        # Figures of texts alone import it, after all labels have been read.
        require_module("rapidfuzz")
        description, problems = self.task_type(project).description, list[str]()
        report = agreement_report(
            labelled_texts(self._store, project, decided=False, gold=True, problems=problems),
            description.type,
            gold=gold_labels(self._store, project),
            period=period,
            multiple=description.multiple,
            order=order or description.scale,
        )
        return report, problems

    def disputes(self, project: str, *, threshold: float | None = None, share: float | None = None) -> list[DisputedTask]:
        """Return what an expert should decide, worst first, with what each annotator said; see `find_disputes`."""
        from doyen.annotation.quality.disputed_tasks import disputed_tasks
        from doyen.annotation.quality.review import find_disputes

        return disputed_tasks(self._store, project, find_disputes(self._store, project, threshold=threshold, share=share))

    def adjudicate(
        self,
        project: str,
        *,
        threshold: float | None = None,
        share: float | None = None,
        expert: str | None = None,
        consensus: bool = False,
    ) -> tuple[AdjudicationReport, int]:
        """Send disputed tasks to an expert's project; with ``consensus`` the aggregated answer decides the others.

        Args:
            threshold, share: what is disputed; see `find_disputes`.
            expert: whose answers decide; see `send_to_review`.

        Returns:
            What was sent, and how many decisions by consensus are new.
        """
        from doyen.annotation.quality.review import accept_consensus, find_disputes, send_to_review

        disputes = find_disputes(self._store, project, threshold=threshold, share=share)
        report = send_to_review(self._workspace, self._store, project, disputes, expert=expert, reporter=self._reporter)
        return report, accept_consensus(self._store, project, disputes, threshold=threshold) if consensus else 0

    def gold(self, project: str, path: Path, format_name: str) -> tuple[GoldReport, Losses]:
        """Hide the items of a file, with their known answers, among the tasks; see `seed_gold`.

        Returns:
            What became of the items, and what of the file is not carried.
        """
        from doyen.annotation.exchange.formats import Losses, read_labels
        from doyen.annotation.quality.gold import seed_gold

        losses = Losses()
        items = list(read_labels(path, format_name, self.task_type(project).name, losses))
        return seed_gold(self._store, project, items), losses
