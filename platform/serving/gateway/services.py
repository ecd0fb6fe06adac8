"""What the routers share: the opened workspace and, loaded once and late, the assistant."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from doyen.ingestion.annotation import pull
from doyen.platform.core.errors import DoyenError, StateError
from doyen.platform.core.settings import Settings
from doyen.platform.core.store import Store
from doyen.platform.core.workspace import Workspace
from doyen.platform.serving.gateway.limits import Limiter
from doyen.platform.serving.gateway.metrics import Metrics
from doyen.platform.serving.gateway.pulls import PullScheduler
from doyen.retrieval.hybrid import HybridRetriever
from doyen.retrieval.pipeline import open_retriever

if TYPE_CHECKING:
    from doyen.platform.serving.assistant import Assistant

logger = logging.getLogger("doyen.gateway")

OpenAssistant = Callable[..., "Assistant"]
"""Called as ``open_assistant`` is."""


class Services:
    """One workspace, served.

    Attributes:
        settings: the workspace's settings.
        limiter: the queue before the model.
        pulls: pulls of labels in the background.
    """

    def __init__(self, workspace: Workspace, store: Store, metrics: Metrics, open_assistant: OpenAssistant) -> None:
        self.workspace = workspace
        self.store = store
        self.metrics = metrics
        self.settings: Settings = workspace.settings
        self.limiter = Limiter(self.settings.serving.max_concurrent, self.settings.serving.max_waiting)
        self.pulls = PullScheduler(lambda project: pull(workspace, store, project))
        metrics.running.set_function(lambda: self.limiter.running)
        metrics.waiting.set_function(lambda: self.limiter.waiting)
        self._open = open_assistant
        self._assistant: Assistant | None = None
        self._problem: str | None = "the model is still being loaded: wait a moment"
        self._closed = False
        self._lock = threading.Lock()
        self._retriever: HybridRetriever | None = None
        self._retriever_lock = threading.Lock()

    @property
    def assistant_problem(self) -> str | None:
        """Why no answer can be given now, or None when the model is loaded."""
        return self._problem

    @property
    def loaded_assistant(self) -> Assistant | None:
        """The assistant if it is loaded already; asking loads nothing."""
        return self._assistant

    def assistant(self) -> Assistant:
        """Return the assistant, loaded by the first caller; a failed load is tried again by the next one.

        Blocks while the model is being loaded: call it in a thread.

        Raises:
            DoyenError: why it cannot be loaded.
        """
        with self._lock:
            if self._closed:
                raise StateError("the gateway is being stopped: start it again")
            if self._assistant is None:
                try:
                    self._assistant = self._open(self.workspace, self.store, open_index=self.retriever)
                except DoyenError as error:
                    self._problem = str(error)
                    raise
                self._problem = None
            return self._assistant

    def retriever(self) -> HybridRetriever:
        """Return the retriever, opened by the first caller; it follows updates of the index by itself.

        Raises:
            IndexMissing: nothing is indexed yet.
        """
        with self._retriever_lock:
            if self._retriever is None:
                self._retriever = open_retriever(self.workspace, self.store)
            return self._retriever

    def index_problem(self) -> str | None:
        """Why nothing can be retrieved now, or None."""
        try:
            chunks = self.retriever().n_chunks
        except DoyenError as error:
            return str(error)
        return None if chunks else "the index holds no document: run `doyen ingest FOLDER` or upload one to /v1/documents"

    def warm_up(self) -> None:
        """Load weights and index ahead of the first question, by asking one; a problem is logged and shown by /readyz."""
        try:
            assistant = self.assistant()
            if self.settings.serving.engine == "openai":
                # Another server loads its own weights, and may charge for every question.
                return
            with_adapter = bool(assistant.registry.list())
            plain, full = ("finetune", "hybrid") if with_adapter else ("base", "rag")
            mode = plain if self.index_problem() else full
            assistant.ask("What is this about?", mode, max_tokens=1, record=False)
        except DoyenError as error:
            if not self._closed:
                logger.warning("the assistant is not ready: %s", error)

    def close(self) -> None:
        """Free the model and the database."""
        self.pulls.close()
        with self._lock:
            self._closed = True
            if self._assistant is not None:
                self._assistant.close()
                self._assistant = None
        self.store.close()


def services_of(request: Request) -> Services:
    """Return the services of the application that serves a request."""
    services: Services = request.app.state.services
    return services


ServicesOf = Annotated[Services, Depends(services_of)]
