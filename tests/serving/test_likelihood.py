"""How sure the model is of its own answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from doyen.annotation import OpenText
from doyen.core.progress import Silent
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.registry import Registry
from doyen.platform.serving.engines import Generation, GenerationRequest
from doyen.platform.serving.likelihood import UNKNOWN, answer_likelihood


class Unsure:
    """Is unsure of what it has no passage for, and tells no probabilities of one question."""

    model, base_sha256 = "unsure", ""

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []

    def stream(self, request: GenerationRequest) -> Iterator[str | Generation]:
        self.requests.append(request)
        asked = request.messages[-1]["content"]
        logs = [] if "secret" in asked else [-0.1, -0.3] if "every 100 hours" in asked else [-2.0, -4.0, -3.0]
        yield Generation("An answer.", "stop", 10, len(logs), logs)

    def close(self) -> None: ...


def test_the_mean_over_the_tokens_of_the_models_own_answer(workspace: Workspace, store: Store) -> None:
    engine = Unsure()
    texts = [
        OpenText("1", "The filter is changed every 100 hours.", "How often is the filter changed?"),
        OpenText("2", "", "Who built it?"),
        OpenText("3", "What is secret?"),
    ]
    found = answer_likelihood(engine, Registry(workspace, store), texts, Silent())
    assert found == pytest.approx([-0.2, -3.0, UNKNOWN])
    assert all(request.want_logprobs and request.adapter is None for request in engine.requests)
