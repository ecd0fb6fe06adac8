"""How soon the first token of an answer comes: ``python benchmarks/first_token.py``.

Modes rag and hybrid are asked through the assistant with passages that make the prompt about 700
tokens long and differ from question to question, so that nothing but the system prompt is cached. The adapter is a fresh
LoRA of the training's default rank on all linear layers: its size matters here, its content does not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from doyen.core.access import OWNER, Access
from doyen.core.answers import Answer, Passage
from doyen.core.prompts import build_messages, encode_prompt
from doyen.core.store import open_store
from doyen.core.workspace import create_workspace
from doyen.finetune.registry import Registry
from doyen.platform.serving.assistant import Assistant
from doyen.platform.serving.engines import open_engine

BAR_SECONDS = 1.2
WORDS = [f"{word}{letter}" for word in ("valve", "sensor", "pump", "notice") for letter in "abcdefgh"]


class FixedPassages:
    """A retriever that makes up new passages for every question."""

    def __init__(self, words: int, seed: int) -> None:
        self._random, self._words = random.Random(seed), words

    def retrieve(self, query: str, k: int, *, exclude_documents: Sequence[str] = (), access: Access = OWNER) -> list[Passage]:
        """Return ``k`` passages of random words."""
        texts = [" ".join(self._random.choices(WORDS, k=self._words)) for _ in range(k)]
        return [
            Passage(f"c{i}", f"d{i}", "v", f"service/document-{i}.md", 0, len(text), None, "", 1.0, text, {"dense": 0.5})
            for i, text in enumerate(texts)
        ]


def main() -> int:
    """Measure and print one line a mode; return 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=700, help="length of the prompt")
    parser.add_argument("--answer-tokens", type=int, default=24)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), options)
    if options.json:
        json.dump(results, sys.stdout, indent=2)
        return 0
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")
    for mode, row in results.items():
        verdict = "within" if row["first_token_p50_s"] < BAR_SECONDS else "over"
        print(
            f"{mode:<8} prompt {row['prompt_tokens']:.0f} tokens: first token p50 {row['first_token_p50_s']:.2f} s "
            f"({verdict} {BAR_SECONDS} s), p95 {row['first_token_p95_s']:.2f} s; reading {row['prompt_tokens_per_s']:.0f} "
            f"tok/s, writing {row['answer_tokens_per_s']:.0f} tok/s; worker {row['worker_mb']:.0f} MB"
        )
    return int(results["hybrid"]["first_token_p50_s"] >= BAR_SECONDS)


def measure(folder: Path, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Ask in both modes and return the numbers."""
    workspace = create_workspace(folder / "space", "bench")
    store = open_store(workspace)
    engine = open_engine(workspace)
    registry = Registry(workspace, store)
    files = folder / "adapter"
    make_adapter(files, workspace.settings.serving.model, workspace.settings.finetune.rank)
    manifest = {"inputs": {"base": engine.base_sha256}}
    registry.register("bench", files, base_model=engine.model, dataset_id="none", manifest=manifest)
    words = passage_words(engine, workspace.settings.serving.context_passages, options.tokens)
    retriever = FixedPassages(words, seed=1)
    assistant = Assistant(retriever, engine, registry, store, workspace.settings, state=workspace.state)
    try:
        for mode in ("rag", "hybrid"):
            assistant.ask("Warm up?", mode, max_tokens=2, record=False)
        return {mode: summarise(run(assistant, mode, options), assistant) for mode in ("rag", "hybrid")}
    finally:
        assistant.close()
        store.close()


def run(assistant: Assistant, mode: str, options: argparse.Namespace) -> list[Answer]:
    """Ask all questions of one mode."""
    answers = []
    for number in range(options.questions):
        question = f"How often is part {number} inspected, and by whom?"
        answers.append(assistant.ask(question, mode, max_tokens=options.answer_tokens, record=False))
    return answers


def summarise(answers: list[Answer], assistant: Assistant) -> dict[str, float]:
    """Return medians and 95th percentiles."""
    first = sorted(answer.timings.first_token_s for answer in answers)
    written = [answer for answer in answers if answer.usage.completion_tokens > 1]
    pace = [
        (answer.usage.completion_tokens - 1) / (answer.timings.total_s - answer.timings.first_token_s) for answer in written
    ]
    tokens = statistics.median(answer.usage.prompt_tokens for answer in answers)
    return {
        "prompt_tokens": tokens,
        "first_token_p50_s": statistics.median(first),
        "first_token_p95_s": first[min(len(first) - 1, int(0.95 * len(first)))],
        "prompt_tokens_per_s": tokens / statistics.median(first),
        "answer_tokens_per_s": statistics.median(pace) if pace else 0.0,
        "worker_mb": sum(child.memory_info().rss for child in psutil.Process().children(recursive=True)) / 2**20,
    }


def passage_words(engine: object, passages: int, tokens: int) -> int:
    """Return how many words a passage needs for prompts of so many tokens."""
    tokenizer = engine.tokenizer  # type: ignore[attr-defined]

    def length(words: int) -> int:
        shown = FixedPassages(words, seed=1).retrieve("", passages)
        return len(encode_prompt(tokenizer, build_messages("How often is part 1 inspected, and by whom?", shown)))

    return next(words for words in range(10, 4096) if length(words) >= tokens)


def make_adapter(folder: Path, model: str, rank: int) -> None:
    """Save a LoRA adapter with small random weights."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from doyen.core.models import resolve_generator

    base = AutoModelForCausalLM.from_pretrained(resolve_generator(model).folder, dtype=torch.float32)
    tuned = get_peft_model(base, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.01)
    tuned.save_pretrained(folder)


if __name__ == "__main__":
    sys.exit(main())
