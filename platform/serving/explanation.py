"""Why an answer is what it is: what was searched for, what was found with which scores, what the model was shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from doyen.core.access import OWNER, Access
from doyen.core.answers import Passage
from doyen.core.errors import NotFoundError
from doyen.core.modes import PASSAGE_MODES, Mode
from doyen.core.prompts import build_messages
from doyen.core.records import Turn
from doyen.core.store import Store
from doyen.core.store.document_access import readable
from doyen.core.store.schema import AnswerRow, DocumentRow, DocumentVersionRow
from doyen.platform.serving.small_talk import small_talk
from doyen.retrieval.query import standalone_query


@dataclass(frozen=True)
class Explanation:
    """What led to a stored answer.

    Attributes:
        query: what was searched for; empty in modes without passages, and where nothing was searched.
        passages: what was shown to the model, best first, with the scores behind their order (``signals``).
        prompt: the messages that a model answers, made again by the same rules; empty where no model is asked. A refusal may
            have come before the model was asked.
    """

    answer_id: str
    created_at: str
    question: str
    answer: str
    mode: str
    model: str
    adapter: str | None
    query: str
    passages: list[Passage]
    prompt: list[dict[str, str]]


def explain_answer(store: Store, answer_id: str, access: Access = OWNER) -> Explanation:
    """Return what led to an answer that was given here.

    Args:
        access: who asks. Who may not read every document is known only the answers of their own key, and of these only
            those whose passages they may still read.

    Raises:
        NotFoundError: no such answer was given here, or it is not for this caller.
    """
    with store.session() as session:
        row = session.get(AnswerRow, answer_id)
        if row is None or not _may_see(session, row, access):
            raise NotFoundError(f"there is no answer {answer_id!r}: take the answer_id of an answer that was given here")
        history = [Turn(**turn) for turn in row.history]
        passages = [Passage.from_json(each) for each in row.passages]
        if not access.unrestricted:
            # Which other documents are versions of these was told by what could be read then.
            passages = [replace(each, revision="", superseded_by=None) for each in passages]
        searched = row.mode in PASSAGE_MODES and small_talk(row.question) is None
        return Explanation(
            answer_id=row.answer_id,
            created_at=row.created_at,
            question=row.question,
            answer=row.answer,
            mode=row.mode,
            model=row.model,
            adapter=row.adapter,
            query=standalone_query(row.question, history) if searched else "",
            passages=passages,
            prompt=_prompt(row, passages, history),
        )


def _may_see(session: Session, row: AnswerRow, access: Access) -> bool:
    if access.unrestricted:
        return True
    if row.caller != access.name or (row.adapter is not None and not access.adapters):
        return False
    shown = {(str(each.get("document_id")), str(each.get("version"))) for each in row.passages}
    version = DocumentVersionRow
    known = select(version.document_id, version.version).join(DocumentRow, DocumentRow.document_id == version.document_id)
    documents = version.document_id.in_([document for document, _ in shown])
    return shown <= set(session.execute(known.where(documents, ~version.withdrawn, readable(access))).tuples())


def _prompt(row: AnswerRow, passages: list[Passage], history: list[Turn]) -> list[dict[str, str]]:
    searches: bool = row.mode in PASSAGE_MODES
    if row.mode == Mode.EXTRACT or small_talk(row.question) is not None or (searches and not passages):
        return []
    return build_messages(row.question, passages, history, short=row.mode == Mode.RAG_SHORT)


def signals_of(passage: Passage) -> dict[str, Any]:
    """Return a passage's scores by name, rounded for people."""
    return {name: round(value, 4) for name, value in passage.signals.items()}
