"""What an answer depends on, so that it is reused exactly as long as nothing of that has changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from doyen.core import prompts
from doyen.core.answers import ANSWER_RULES
from doyen.core.files import sha256_bytes
from doyen.core.manifest import fingerprint
from doyen.core.modes import ADAPTER_MODES, PASSAGE_MODES, Mode
from doyen.core.records import Question
from doyen.core.redaction import redact_values
from doyen.core.settings import Settings

SERVING_SHAPES = ("model", "engine", "openai_url", "context_passages", "max_tokens", "temperature")
RETRIEVAL_SHAPES = ("embedder", "embedder_dtype", "retriever", "reranker")
USED_BY_SOME = frozenset({"index", "reader", "adapter", "reading_adapter", "questions"})
EVAL_SHAPES = ("seed", "bootstrap_samples", "cluster_by_source", "judge_url", "judge_model")


def manifest_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that shape a report; no secrets, no ports."""
    shaping = {
        "serving": {name: getattr(settings.serving, name) for name in SERVING_SHAPES},
        "retrieval": {name: getattr(settings.retrieval, name) for name in RETRIEVAL_SHAPES},
        "eval": {name: getattr(settings.eval, name) for name in EVAL_SHAPES},
        "prompts": prompts_sha256(),
    }
    shown: dict[str, Any] = redact_values(shaping)
    return shown


def answer_key(question: Question, mode: str, settings: Settings, inputs: Mapping[str, Any], adapter: str | None) -> str:
    """Return the fingerprint of all that shapes an answer.

    Args:
        inputs: see ``run_evaluation``; those of ``USED_BY_SOME`` count only for the modes that use them.
    """
    shared = {name: value for name, value in inputs.items() if name not in USED_BY_SOME}
    parts = manifest_settings(settings)
    return fingerprint(
        {
            "question": question.asked_hash,
            "mode": mode,
            "rules": ANSWER_RULES,
            "serving": parts["serving"],
            "prompts": parts["prompts"],
            "inputs": shared,
            "index": [inputs.get("index"), inputs.get("reader"), parts["retrieval"]] if mode in PASSAGE_MODES else None,
            "adapter": [adapter, inputs.get("adapter")] if mode in ADAPTER_MODES else None,
            **({"reading_adapter": inputs.get("reading_adapter")} if mode == Mode.RAG_READING else {}),
        }
    )


@lru_cache(maxsize=1)
def prompts_sha256() -> str:
    """Return the hash of the prompt files: an answer to another prompt is another answer."""
    folder = Path(prompts.__file__).parent
    files = sorted(path for path in folder.iterdir() if path.suffix in {".txt", ".jinja"})
    return sha256_bytes(b"\x00".join(path.name.encode() + b"\x00" + path.read_bytes() for path in files))
