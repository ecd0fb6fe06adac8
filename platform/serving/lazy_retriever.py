"""An index that is opened when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from doyen.core.answers import Passage, Retriever


class LazyRetriever:
    """Opens the index with the first question that needs it, so that the other modes work without one."""

    def __init__(self, open_it: Callable[[], Retriever]) -> None:
        self._open = open_it
        self._opened: Retriever | None = None
        self._lock = threading.Lock()

    def retrieve(self, query: str, k: int, *, exclude_documents: Sequence[str] = ()) -> list[Passage]:
        """See `Retriever.retrieve`; also raises IndexMissing. A failed opening is tried again by the next call."""
        with self._lock:
            self._opened = self._opened or self._open()
        return self._opened.retrieve(query, k, exclude_documents=exclude_documents)
