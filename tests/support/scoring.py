"""How probable an engine finds a given text: a fingerprint of the weights in use."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from doyen.core.prompts import encode_prompt
from doyen.platform.serving.engines import GenerationRequest
from doyen.platform.serving.engines.llamacpp import LlamaCppEngine
from doyen.platform.serving.engines.transformers_engine import TransformersEngine


def score(engine: LlamaCppEngine | TransformersEngine, request: GenerationRequest, continuations: Sequence[str]) -> list[float]:
    """Return the mean log-probability per token of each continuation after the prompt."""
    prompt = encode_prompt(engine.tokenizer, list(request.messages))
    spoken = [engine.tokenizer(text, add_special_tokens=False)["input_ids"] for text in continuations]
    if isinstance(engine, LlamaCppEngine):
        return [_walk(engine, request, prompt, tokens) for tokens in spoken]
    return [_forward(engine, request, prompt, tokens) for tokens in spoken]


def _walk(engine: LlamaCppEngine, request: GenerationRequest, prompt: list[int], tokens: list[int]) -> float:
    """A grammar of fixed tokens makes llama.cpp walk along them; it reports the model's own probabilities."""
    with engine._lease(request.adapter) as (worker, lora):
        grammar = "root ::= " + " ".join(f"<[{token}]>" for token in tokens)
        choice = {"grammar": grammar, "n_predict": len(tokens), "n_probs": 1, "temperature": 0.0}
        body = {**engine._body(request, prompt, lora), **choice}
        steps = worker.client.post("/completion", json=body, timeout=120).json()["completion_probabilities"]
    return sum(step["logprob"] for step in steps) / len(steps)


def _forward(engine: TransformersEngine, request: GenerationRequest, prompt: list[int], tokens: list[int]) -> float:
    with engine._lock, torch.inference_mode():
        adapter = engine._adapters.get(request.adapter) if request.adapter else None
        output = engine._use(adapter)(input_ids=torch.tensor([prompt + tokens]), logits_to_keep=len(tokens) + 1)
    logprobs = output.logits[0, :-1].float().log_softmax(dim=-1)
    return float(logprobs.gather(1, torch.tensor(tokens)[:, None]).mean())
