"""The answers that were given to someone, kept so that feedback can point to them."""

from __future__ import annotations

from collections.abc import Sequence

from doyen.core.answers import Answer
from doyen.core.manifest import now
from doyen.core.records import Turn
from doyen.core.store import Store
from doyen.core.store.schema import AnswerRow


def record_answer(store: Store, answer: Answer, history: Sequence[Turn]) -> None:
    """Store an answer, so that feedback can point to it.

    Raises:
        StorageError: the disk is full.
    """
    with store.session() as session:
        session.add(
            AnswerRow(
                answer_id=answer.answer_id,
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
