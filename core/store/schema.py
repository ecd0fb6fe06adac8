"""The tables. Rows link every answer back to documents, labels and adapters.

document → document_version → chunk → annotation_task → annotation → dataset → adapter → answer → feedback
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of all tables. Times are ISO 8601 texts in UTC."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {dict[str, Any]: JSON, list[Any]: JSON}


class DocumentRow(Base):
    """A document at its current version; removed documents have no row but keep their versions."""

    __tablename__ = "documents"

    document_id: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(unique=True)
    """Path relative to the ingested root with forward slashes, or a URL. It is chosen once and stays."""
    root: Mapped[str]
    """The root under which the document got its source, absolute; empty for uploads."""
    path: Mapped[str] = mapped_column(default="", index=True)
    """The file on disk, absolute and without links: one file is one document. Empty for uploads."""
    version: Mapped[str]
    """SHA-256 of the file's bytes."""
    title: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    modified_ns: Mapped[int] = mapped_column(BigInteger)
    """The file's modification time when read: an equal size and time skips reading it again."""
    settings_fingerprint: Mapped[str]
    """Fingerprint of the settings and parser versions that shaped text and chunks."""
    duplicate_of: Mapped[str | None]
    """document_id of an exact duplicate that is indexed instead; such a document has no chunks."""
    near_group: Mapped[str] = mapped_column(index=True)
    """Near-duplicate group; a document without a twin is alone in its group."""
    ingested_at: Mapped[str]


class DocumentRemovalRow(Base):
    """A file whose document was removed on purpose: searching its folder again does not bring it back.

    Hashes tell the file, so that a purged document leaves nothing to read.
    """

    __tablename__ = "document_removals"

    path_sha256: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    """Tells the file, or a copy, at another path; empty once those bytes were asked for again."""
    removed_at: Mapped[str]


class WebFetchRow(Base):
    """What a server said of a web page when it was last fetched, to ask it whether the page has changed."""

    __tablename__ = "web_fetches"

    url: Mapped[str] = mapped_column(primary_key=True)
    etag: Mapped[str]
    last_modified: Mapped[str]
    fetched_at: Mapped[str]


class PendingPurgeRow(Base):
    """A document whose text is to be erased: the row goes when nothing of the text is left in any file."""

    __tablename__ = "pending_purges"

    document_id: Mapped[str] = mapped_column(primary_key=True)
    asked_at: Mapped[str]


class AccessOrigin(StrEnum):
    """Where a document's groups come from. Databases hold the values: add to them, never change one."""

    RULES = "rules"
    """Rules of ``ingestion.access``, or no rule: readable by everyone."""
    SIDECAR = "sidecar"
    API = "api"
    """They stay whatever rules and sidecar files say."""


class DocumentAccessRow(Base):
    """Where the groups of a document come from; kept for a removed one whose groups were set through the API."""

    __tablename__ = "document_access"

    document_id: Mapped[str] = mapped_column(primary_key=True)
    origin: Mapped[str]
    """An `AccessOrigin`."""


class DocumentGroupRow(Base):
    """A group that may read a document; a document without rows is readable by everyone who may use the workspace."""

    __tablename__ = "document_groups"

    document_id: Mapped[str] = mapped_column(primary_key=True)
    group: Mapped[str] = mapped_column(primary_key=True)


class DocumentVersionRow(Base):
    """The parsed text of one version of a document, kept for lineage."""

    __tablename__ = "document_versions"

    document_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
    pages: Mapped[list[Any]]
    """[start, end] of each page in the text; empty where there are no pages."""
    boxes: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    """Where the words stand on the pages, as `word_boxes.pack` gives it; None where there are no pages."""
    recognised: Mapped[list[Any]] = mapped_column(default=list)
    """[page, confidence] of each page whose text was recognised in its picture (OCR); confidence is 0 to 1."""
    created_at: Mapped[str]
    withdrawn: Mapped[bool] = mapped_column(default=False)
    """Whether its document was removed since: it is kept for lineage, and given out to nobody, also when a document of the same
    name comes back."""


class DocumentSignatureRow(Base):
    """What tells exact and near duplicates of a current document, so that finding them needs no text."""

    __tablename__ = "document_signatures"

    document_id: Mapped[str] = mapped_column(ForeignKey("documents.document_id", ondelete="CASCADE"), primary_key=True)
    text_sha256: Mapped[str] = mapped_column(index=True)
    minhash: Mapped[bytes] = mapped_column(LargeBinary)
    """MinHash of the text's shingles: 128 unsigned 32-bit numbers."""


class ChunkRow(Base):
    """A chunk of a current document version: ``text == version.text[start:end]``."""

    __tablename__ = "chunks"

    chunk_id: Mapped[str] = mapped_column(primary_key=True)
    document_id: Mapped[str] = mapped_column(ForeignKey("documents.document_id", ondelete="CASCADE"), index=True)
    version: Mapped[str]
    ordinal: Mapped[int]
    start: Mapped[int]
    end: Mapped[int]
    page: Mapped[int | None]
    heading: Mapped[str]
    """Path of headings above the chunk, joined by ' > '; empty at the top."""
    text: Mapped[str] = mapped_column(Text)


class WorkspaceRow(Base):
    """The one row that says which workspace this is, wherever its folder lies."""

    __tablename__ = "workspace"

    workspace_id: Mapped[str] = mapped_column(primary_key=True)
    access_revision: Mapped[int] = mapped_column(default=0)
    """Grows with every change of documents, and of who may read them."""


class Purpose(StrEnum):
    """What people do in a project. Databases hold the values: add to them, never change one."""

    ANNOTATION = "annotation"
    REVIEW = "review"
    """Experts decide about the disputed tasks of another project, its parent."""
    ADOPTED = "adopted"
    """Annotation in a project that was not made here: its screen, and what else its owner set, stay as they are."""


class AnnotationProjectRow(Base):
    """A labelling project, on a Label Studio server or in files."""

    __tablename__ = "annotation_projects"

    name: Mapped[str] = mapped_column(primary_key=True)
    task_type: Mapped[str]
    backend: Mapped[str]
    """Label Studio URL, or "files"."""
    external_id: Mapped[str | None]
    config: Mapped[str] = mapped_column(Text)
    synced_at: Mapped[str | None]
    """Newest ``updated_at`` that a pull has seen."""
    description: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The task description that the configuration was generated from."""
    purpose: Mapped[str] = mapped_column(default=Purpose.ANNOTATION)
    """A `Purpose`."""
    parent: Mapped[str | None]
    foreign_tasks: Mapped[int] = mapped_column(default=0)
    """Tasks over there beside ours, when all ids were last compared."""
    overlap: Mapped[int] = mapped_column(default=2)
    """How many people label a gold item, and each task of the share."""
    overlap_share: Mapped[float] = mapped_column(default=0.2)
    """Share of the other tasks, 0 to 1, that as many people label."""
    read_under: Mapped[str] = mapped_column(default="")
    """Fingerprint of the description and the reader that its typed labels come from; under another, they are read anew."""


class TaskState(StrEnum):
    """How far a task has come. Databases hold the values: add to them, never change one."""

    CREATED = "created"
    PUSHED = "pushed"
    LABELLED = "labelled"
    DELETED = "deleted"


class Staleness(StrEnum):
    """What became of a labelled text. Databases hold the values: add to them, never change one."""

    CHANGED = "changed"
    DELETED = "deleted"


class AnnotationTaskRow(Base):
    """One task; ``uid`` is ours, because Label Studio reuses ids of deleted tasks."""

    __tablename__ = "annotation_tasks"

    uid: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("annotation_projects.name"), index=True)
    external_id: Mapped[str | None]
    document_id: Mapped[str | None] = mapped_column(index=True)
    version: Mapped[str | None]
    chunk_id: Mapped[str | None]
    data: Mapped[dict[str, Any]]
    predictions: Mapped[list[Any]]
    state: Mapped[str]
    """A `TaskState`."""
    overlap: Mapped[int] = mapped_column(default=1)
    """How many people are asked for a label."""
    skipped: Mapped[int] = mapped_column(default=0)
    """How many people declined the task, as the last pull found."""
    created_at: Mapped[str]
    stale: Mapped[str | None]
    """A `Staleness`, where the text that was labelled is no longer the document's. Its labels stay."""
    gold: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    """The known right result of a gold item, by which annotators are measured; never shown to them."""
    gold_typed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What ``gold`` says, as a `TypedLabel`."""
    origin: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Where a task came from if not from a chunk: feedback_id and answer_id, or the reviewed task's uid."""


class AnnotationRow(Base):
    """One version of one annotation. A pull adds versions and never changes one."""

    __tablename__ = "annotations"
    __table_args__ = (UniqueConstraint("task_uid", "external_id", "revision"),)

    annotation_id: Mapped[str] = mapped_column(primary_key=True)
    task_uid: Mapped[str] = mapped_column(ForeignKey("annotation_tasks.uid"), index=True)
    external_id: Mapped[str]
    revision: Mapped[str]
    """Hash of the result: a changed result is a new version."""
    annotator: Mapped[str]
    result: Mapped[list[Any]]
    """Label Studio's regions as they came, in an adopted project under our names of its fields; for labels from elsewhere, as
    our own screen would have given them."""
    typed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What ``result`` says, as a `TypedLabel`: what everything but the exchange with Label Studio reads."""
    current: Mapped[bool]
    """False for replaced versions and for annotations deleted on the server."""
    created_at: Mapped[str]
    pulled_at: Mapped[str]


class DecisionMethod(StrEnum):
    """Who or what decided. Databases hold the values: add to them, never change one."""

    EXPERT = "expert"
    GROUND_TRUTH = "ground truth"
    """A star in Label Studio."""
    CONSENSUS = "consensus"


class DecisionRow(Base):
    """One version of what is held to be true about a task, by an expert or by consensus. None is ever changed."""

    __tablename__ = "annotation_decisions"

    decision_id: Mapped[str] = mapped_column(primary_key=True)
    task_uid: Mapped[str] = mapped_column(ForeignKey("annotation_tasks.uid"), index=True)
    result: Mapped[list[Any]]
    typed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What ``result`` says, as a `TypedLabel`."""
    method: Mapped[str]
    """A `DecisionMethod`."""
    decided_by: Mapped[str]
    """The expert, or the aggregation's name."""
    reason: Mapped[str] = mapped_column(Text)
    inputs: Mapped[list[Any]]
    """annotation_ids of the labels that were compared."""
    current: Mapped[bool]
    decided_at: Mapped[str]


class DatasetRow(Base):
    """A dataset version: its files lie in the workspace, named by the fingerprint."""

    __tablename__ = "datasets"

    dataset_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    manifest: Mapped[dict[str, Any]]
    created_at: Mapped[str]


PRODUCTION = "production"
"""Stage of the version that the name of an adapter stands for."""
EMBEDDER = "embedder"
"""``manifest["kind"]`` of an embedder, of which at most one in all is promoted."""


class AdapterRow(Base):
    """An adapter version in the registry."""

    __tablename__ = "adapters"
    __table_args__ = (Index("ix_adapters_name_stage", "name", "stage"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    base_model: Mapped[str]
    base_sha256: Mapped[str]
    dataset_id: Mapped[str]
    stage: Mapped[str]
    """candidate, staging, production, retired or deleted; of a name at most one version is in staging and one in production."""
    manifest: Mapped[dict[str, Any]]
    created_at: Mapped[str]


class AnswerRow(Base):
    """An answer that was given to someone, so that feedback can point to it."""

    __tablename__ = "answers"

    answer_id: Mapped[str] = mapped_column(primary_key=True)
    caller: Mapped[str] = mapped_column(default="")
    """Name of the key that asked; empty for the owner. Others cannot give feedback on it."""
    question: Mapped[str] = mapped_column(Text)
    history: Mapped[list[Any]]
    answer: Mapped[str] = mapped_column(Text)
    mode: Mapped[str]
    model: Mapped[str]
    adapter: Mapped[str | None]
    abstained: Mapped[bool]
    support: Mapped[str] = mapped_column(default="not_checked")
    """supported, number_not_found or not_checked: whether the figures of the answer stand in its citations."""
    passages: Mapped[list[Any]]
    citations: Mapped[list[Any]]
    created_at: Mapped[str]


class FeedbackRow(Base):
    """What a person said about an answer."""

    __tablename__ = "feedback"

    feedback_id: Mapped[str] = mapped_column(primary_key=True)
    answer_id: Mapped[str] = mapped_column(ForeignKey("answers.answer_id"), index=True)
    rating: Mapped[int]
    """1 thumb up, -1 thumb down, 0 none."""
    correction: Mapped[str | None] = mapped_column(Text)
    comment: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[str]


class JobState(StrEnum):
    """How far a job is; values are stored, so none may change."""

    QUEUED = "queued"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    """Its process ended in the middle; started again it goes on."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobRow(Base):
    """Long work that the gateway runs in a process of its own."""

    __tablename__ = "jobs"

    job_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    resource: Mapped[str]
    """What it needs for itself: of the jobs that share one, one runs at a time."""
    by: Mapped[str]
    """Name of the key that asked for it; empty for the owner."""
    state: Mapped[str] = mapped_column(index=True)
    attempts: Mapped[int]
    """How often it was started."""
    cancel_requested: Mapped[bool]
    progress: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any]]
    error: Mapped[str] = mapped_column(Text)
    created_at: Mapped[str]
    started_at: Mapped[str | None]
    ended_at: Mapped[str | None]
