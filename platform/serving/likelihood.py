"""How sure a model is of its own answers: by which questions are chosen that people answer next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doyen.annotation import OpenText
from doyen.core.errors import NotFoundError
from doyen.core.modes import Mode
from doyen.core.progress import Reporter
from doyen.core.prompts import build_messages
from doyen.finetune.registry import Registry
from doyen.platform.serving.engines import AdapterFiles, Engine, GenerationRequest
from doyen.platform.serving.engines.protocol import complete
from doyen.platform.serving.plan import choose_adapter

ANSWER_TOKENS = 48
"""Of an answer that is only weighed."""
UNKNOWN = -1.0
"""Log-probability of an answer of which an engine tells nothing."""


@dataclass(frozen=True)
class _Shown:
    """The text of a task as a passage of the prompt."""

    text: str
    source: str = ""
    heading: str = ""


def answer_likelihood(engine: Engine, registry: Registry, texts: Sequence[OpenText], reporter: Reporter) -> NDArray[np.float32]:
    """Return the mean log-probability of the tokens of the answer to each question, ``(len(texts),)``.

    The promoted adapter answers, else the newest, else the base model; a text without a question is taken for one.
    """
    try:
        adapter = choose_adapter(registry, engine, Mode.HYBRID, None)
    except NotFoundError:
        adapter = None
    files = AdapterFiles(adapter.ref, adapter.folder, adapter.base_sha256) if adapter else None
    found = []
    with reporter.bar("asking the model", len(texts)) as bar:
        for text in texts:
            passages = [_Shown(text.text)] if text.prompt and text.text else []
            messages = build_messages(text.prompt or text.text, passages)
            request = GenerationRequest(messages, files, max_tokens=ANSWER_TOKENS, want_logprobs=True)
            logs = complete(engine, request).logprobs
            found.append(float(np.mean(logs)) if logs else UNKNOWN)
            bar.advance(1)
    return np.array(found, np.float32)
