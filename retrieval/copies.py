"""Passages of exact copies: the better one is shown, for copies under another title are indexed too."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from doyen.core.answers import Passage
from doyen.core.store import Store
from doyen.core.store.schema import DocumentSignatureRow


def without_copies(store: Store, passages: Sequence[Passage]) -> list[Passage]:
    """Return the passages without those that an exact copy of their document gives before them."""
    texts = [passage.text for passage in passages]
    repeated = {passage.document_id for passage in passages if texts.count(passage.text) > 1}
    if not repeated:
        return list(passages)
    row = DocumentSignatureRow
    with store.session() as session:
        query = select(row.document_id, row.text_sha256).where(row.document_id.in_(repeated))
        whole = dict(session.execute(query).tuples().all())
    first: dict[tuple[str, str], Passage] = {}
    for passage in passages:
        first.setdefault((passage.text, whole.get(passage.document_id, passage.document_id)), passage)
    return list(first.values())
