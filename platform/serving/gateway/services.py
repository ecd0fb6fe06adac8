"""What the routers share: the opened workspace and, loaded once and late, the assistant."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from doyen.core.access import Access
from doyen.core.errors import DoyenError, IncompatibleError, StateError
from doyen.core.modes import Mode
from doyen.core.settings import Settings
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.registry import GENERATOR
from doyen.platform.app import Doyen
from doyen.platform.jobs.runner import JobRunner
from doyen.platform.serving.gateway.chat_run import Limiter
from doyen.platform.serving.gateway.http_errors import Forbidden
from doyen.platform.serving.gateway.pulls import PullScheduler
from doyen.platform.serving.page_images import PageImages
from doyen.retrieval.chosen import AnyRetriever, open_retriever

if TYPE_CHECKING:
    from doyen.platform.serving.assistant import Assistant
    from doyen.platform.serving.gateway.health_routes import Metrics

logger = logging.getLogger("doyen.gateway")

WARM_UP_QUESTION = "What is this about?"
WARM_UP_PAUSE_S = 10.0
"""Between two tries to load what could not be loaded."""

OpenAssistant = Callable[..., "Assistant"]
"""Called as ``open_assistant`` is."""


class Services:
    """One workspace, served.

    Attributes:
        doyen: the use cases, on the shared retriever.
        settings: the workspace's settings.
        limiter: the queue before the model.
        pulls: pulls of labels in the background.
        page_images: renders pages of documents.
        jobs: starts queued jobs, each in a process of its own.
    """

    def __init__(self, workspace: Workspace, store: Store, metrics: Metrics, open_assistant: OpenAssistant) -> None:
        self.workspace = workspace
        self.store = store
        self.metrics = metrics
        self.settings: Settings = workspace.settings
        self.doyen = Doyen(workspace, store=store, open_index=self.retriever)
        self.limiter = Limiter(self.settings.serving.max_concurrent, self.settings.serving.max_waiting)
        self.pulls = PullScheduler(self.doyen.annotate.pull)
        self.page_images = PageImages(workspace)
        self.jobs = JobRunner(workspace, store)
        metrics.running.set_function(lambda: self.limiter.running)
        metrics.waiting.set_function(lambda: self.limiter.waiting)
        self._open = open_assistant
        self._assistant: Assistant | None = None
        self._proving: Assistant | None = None
        self._problem: str | None = "the model is still being loaded: wait a moment"
        self._closed = False
        self._next_warm_up = 0.0
        self._loading = threading.Lock()
        """Held by whoever loads the model, which takes long."""
        self._state = threading.Lock()
        """Held for a moment by whoever publishes, or takes away, what is loaded."""
        self._retriever: AnyRetriever | None = None
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
        """Return the assistant, loaded by the first caller, who has it answer once before anyone else gets it.

        A failed load is tried again by the next caller. Blocks while the model is being loaded: call it in a thread.

        Raises:
            DoyenError: why it cannot be loaded.
        """
        with self._loading:
            if self._assistant is None and not self._closed:
                try:
                    loaded = self._prove(self._open(self.workspace, self.store, open_index=self.retriever))
                except Exception as error:
                    # Whatever it is, /readyz has to name it.
                    self._problem = str(error)
                    raise
                with self._state:
                    if not self._closed:
                        self._assistant, self._problem = loaded, None
                if self._closed:
                    loaded.close()
            assistant = self._assistant
        if assistant is None:
            raise StateError("the gateway is being stopped: start it again")
        return assistant

    def retriever(self) -> AnyRetriever:
        """Return the retriever, opened and searched once by the first caller; it follows updates of the index by itself.

        Raises:
            IndexMissing: nothing is indexed yet.
        """
        with self._retriever_lock:
            if self._retriever is None:
                opened = open_retriever(self.workspace, self.store)
                opened.retrieve(WARM_UP_QUESTION, 1)
                self._retriever = opened
            return self._retriever

    def index_problem(self) -> str | None:
        """Why nothing can be retrieved now, or None. Does not wait for an index that is being opened."""
        if self._retriever is None and self._retriever_lock.locked():
            return "the index is still being opened: wait a moment"
        try:
            retriever = self.retriever()
            chunks = retriever.n_chunks
        except DoyenError as error:
            return str(error)
        if retriever.problem:
            return retriever.problem
        return None if chunks else "the index holds no document: run `doyen ingest FOLDER` or upload one to /v1/documents"

    def warm_up(self) -> None:
        """Load weights and index ahead of the first question; a problem is logged and shown by /readyz."""
        try:
            self.index_problem()
            self.assistant()
        except DoyenError as error:
            if not self._closed:
                logger.warning("the assistant is not ready: %s", error)
        except Exception:
            # In a thread of its own nobody else would log it.
            logger.exception("loading the assistant failed")

    def start_warm_up(self) -> None:
        """Warm up in the background unless that is going on, or has just been tried."""
        if time.monotonic() < self._next_warm_up or self._loading.locked():
            return
        self._next_warm_up = time.monotonic() + WARM_UP_PAUSE_S
        threading.Thread(target=self.warm_up, name="doyen-warm-up", daemon=True).start()

    def _prove(self, assistant: Assistant) -> Assistant:
        """Return the assistant when it has answered, which loads the generator's weights, and its reader is loaded."""
        mode = Mode.FINETUNE if assistant.registry.list(kind=GENERATOR) else Mode.BASE
        self._proving = assistant
        try:
            assistant.open_reader()
            if self.settings.serving.engine == "openai":
                # Another server loads its own weights, and may charge for every question.
                return assistant
            try:
                assistant.ask(WARM_UP_QUESTION, mode, max_tokens=1, record=False)
            except IncompatibleError:
                # An adapter of another base is no reason not to serve the other modes.
                assistant.ask(WARM_UP_QUESTION, Mode.BASE, max_tokens=1, record=False)
        except BaseException:
            assistant.close()
            raise
        finally:
            self._proving = None
        return assistant

    def close(self) -> None:
        """Free the model and the database. A load in progress is not waited for; what comes of it is closed too."""
        self.jobs.close()
        self.pulls.close()
        self.page_images.close()
        with self._state:
            self._closed = True
            opened = [assistant for assistant in (self._assistant, self._proving) if assistant is not None]
            self._assistant = None
        for assistant in opened:
            assistant.close()
        self.store.close()


def services_of(request: Request) -> Services:
    """Return the services of the application that serves a request."""
    services: Services = request.app.state.services
    return services


ServicesOf = Annotated[Services, Depends(services_of)]

ACCESS = "doyen.access"
"""Key of the ASGI scope under which the guard leaves the caller's `Access`."""


def access_of(request: Request) -> Access:
    """Return what the caller may read and change: by the key, never by anything else in the request."""
    access: Access = request.scope[ACCESS]
    return access


def admin_of(request: Request) -> Access:
    """Return the access of a caller who may change documents and adapters.

    Raises:
        Forbidden: the key is none of an administrator.
    """
    access = access_of(request)
    if not access.admin:
        raise Forbidden("this is for administrators alone: ask for a key with `admin = true`")
    return access


AccessOf = Annotated[Access, Depends(access_of)]
AdminOf = Annotated[Access, Depends(admin_of)]
