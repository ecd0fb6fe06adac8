"""The answers that were given to someone, kept so that feedback can point to them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from doyen.core.access import OWNER, Access
from doyen.core.answers import Answer
from doyen.core.errors import InputError, NotFoundError
from doyen.core.manifest import now
from doyen.core.records import Turn
from doyen.core.store import Store
from doyen.core.store.schema import AnswerRow, FeedbackRow


def record_answer(store: Store, answer: Answer, history: Sequence[Turn], *, caller: str = "") -> None:
    """Store an answer, so that feedback can point to it.

    Args:
        caller: name of the key that asked; empty for the owner.

    Raises:
        StorageError: the disk is full.
    """
    with store.session() as session:
        session.add(
            AnswerRow(
                answer_id=answer.answer_id,
                caller=caller,
                question=answer.question,
                history=[turn.model_dump() for turn in history],
                answer=answer.answer,
                mode=answer.mode,
                model=answer.model,
                adapter=answer.adapter,
                abstained=answer.abstained,
                support=answer.support,
                passages=[passage.to_json() for passage in answer.passages],
                citations=[citation.to_json() for citation in answer.citations],
                created_at=now(),
            )
        )


def record_feedback(
    store: Store,
    answer_id: str,
    *,
    rating: int = 0,
    correction: str | None = None,
    comment: str | None = None,
    access: Access = OWNER,
) -> FeedbackRow:
    """Store what a person says about an answer. Each call adds an entry; none is ever changed.

    Args:
        rating: 1 thumb up, -1 thumb down, 0 none.
        correction: what the answer should have been.
        access: who gives it; who may not read every document is known only the answers of their own key.

    Raises:
        InputError: it says nothing.
        NotFoundError: no such answer was given here, or it was given to someone else.
    """
    row = FeedbackRow(
        feedback_id=uuid4().hex,
        answer_id=answer_id,
        rating=rating,
        correction=(correction or "").strip() or None,
        comment=(comment or "").strip() or None,
        created_at=now(),
    )
    if not (rating or row.correction or row.comment):
        raise InputError("the feedback says nothing: give a rating of 1 or -1, a correction or a comment")
    with store.session() as session:
        answer = session.get(AnswerRow, answer_id)
        if answer is None or not (access.unrestricted or answer.caller == access.name):
            raise NotFoundError(f"there is no answer {answer_id!r}: take the answer_id of an answer that was given here")
        session.add(row)
    return row
