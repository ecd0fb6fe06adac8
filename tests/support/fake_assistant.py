"""An assistant without a model: it answers at once and leaves the same rows as the real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

from doyen.core.access import OWNER, Access
from doyen.core.answers import Answer, Citation, Extract, Passage, Retriever, Timings, Usage
from doyen.core.errors import NotFoundError
from doyen.core.modes import BEST
from doyen.core.records import REFUSAL, Turn
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.registry import Registry
from doyen.platform.serving.answer_store import record_answer
from doyen.platform.serving.best import Best
from doyen.platform.serving.sampling import DEFAULT_SAMPLING, Sampling

TEXT = "Replace the <script>alert('x')</script> filter of the PX-90 every 400 hours & note it in the log."
QUOTE = "filter of the PX-90 every 400 hours"


class FakeAssistant:
    """Answers with fixed words; records what it was asked and whether it was stopped.

    A question that contains "unknown" is refused; one with "break" fails in the middle; one with "slow" waits between
    the words; one with "hostile" answers with markup; to one with "quoted" an extract comes first. After three words it
    waits for ``gate``, which is open at first.
    """

    def __init__(self, workspace: Workspace, store: Store, *, open_index: Callable[[], Retriever]) -> None:
        self.store = store
        self.registry = Registry(workspace, store)
        self.asked: list[dict[str, Any]] = []
        self.stopped = threading.Event()
        self.pause = 0.0
        self.gate = threading.Event()
        self.gate.set()

    model = "fake"

    def open_reader(self) -> None:
        """Nothing is read."""

    def best(self, access: Access = OWNER) -> Best:
        """Always rag."""
        return Best("rag", None, "no report")

    def ask(
        self, question: str, mode: str, *, max_tokens: int | None = None, record: bool = True, access: Access = OWNER
    ) -> Answer:
        """Answer at once and leave no row, as the gateway's warm-up and drafts want it; it is not counted as a question."""
        return self._answer(question, mode, None)

    def stream(
        self,
        question: str,
        mode: str,
        *,
        history: Sequence[Turn] = (),
        adapter: str | None = None,
        max_tokens: int | None = None,
        access: Access = OWNER,
        sampling: Sampling = DEFAULT_SAMPLING,
        instructions: str = "",
    ) -> Iterator[str | Extract | Answer]:
        """Yield the answer word by word, then the answer."""
        told = {"question": question, "history": list(history), "adapter": adapter, "max_tokens": max_tokens}
        more = {"instructions": instructions} if instructions else {}
        self.asked.append({**told, **more} if sampling == DEFAULT_SAMPLING else {**told, **more, "sampling": sampling})
        if adapter is not None and not adapter.startswith("known"):
            raise NotFoundError(f"there is no adapter {adapter!r}: `doyen adapters list` shows them")
        return self._pieces(question, mode, adapter, history, access)

    def _pieces(
        self, question: str, mode: str, adapter: str | None, history: Sequence[Turn], access: Access
    ) -> Iterator[str | Extract | Answer]:
        answer = self._answer(question, mode, adapter)
        finished = False
        try:
            if "quoted" in question:
                yield Extract("every 400 hours", answer.citations[0])
            for number, word in enumerate(answer.answer.split(" ")):
                if "break" in question and number == 2:
                    raise NotFoundError("the shelf broke: mend it")
                if number == 3:
                    self.gate.wait(20)
                time.sleep(0.15 if "slow" in question else self.pause)
                yield word if number == 0 else f" {word}"
            record_answer(self.store, answer, history, caller=access.name)
            yield answer
            finished = True
        finally:
            if not finished:
                self.stopped.set()

    def _answer(self, question: str, mode: str, adapter: str | None) -> Answer:
        passages, citations = [], []
        best = self.best() if mode == BEST else None
        mode = best.mode if best else mode
        if mode in {"rag", "hybrid"}:
            for number, text in enumerate([TEXT, "Nothing of interest. " * 9], start=1):
                start = 100 * number
                place = (f"c{number}", "d1", "v1", "manuals/px-90.pdf", start, start + len(text))
                passages.append(Passage(*place, number, "PX-90 > Filters", 0.5 / number, text, {}))
            at = 100 + TEXT.index(QUOTE)
            citations = [Citation(1, "c1", "manuals/px-90.pdf", at, at + len(QUOTE), 1, QUOTE)]
        text = "Every 400 hours, and note it in the log."
        abstained = "unknown" in question
        if abstained:
            text, citations = REFUSAL, []
        if "hostile" in question:
            text = "![x](https://evil.example/x.png) <img src=https://evil.example/y.png> *plain* <b>bold</b>"
        return Answer(
            question=question,
            answer=text,
            mode=mode,
            mode_reason=best.reason if best else None,
            model=self.model,
            adapter=adapter,
            abstained=abstained,
            citations=citations,
            passages=passages,
            usage=Usage(7, 3),
            timings=Timings(0.01, 0.1, 0.3),
            finish_reason="stop",
            answer_id=uuid4().hex,
        )

    def close(self) -> None:
        """Nothing to free."""
