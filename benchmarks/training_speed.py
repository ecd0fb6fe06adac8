"""Training speed and memory: shared-prefix rows against the usual padded batches, side by side in one run.

The usual way here is what a plain Trainer with a padding collator does: each example on its own, padded to the longest of its
batch, logits at every position. Both train the same LoRA adapter on the same RAFT-style examples of synthetic documents,
each in a process of its own, so that peak memory is that of one way. Run: python benchmarks/training_speed.py [--help]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time

WORDS = "the valve of a pump is set to pressure after each hour when oil filter lid screw torque is checked by two people"


def make_examples(contexts: int, branches: int, seed: int) -> list[list[tuple[list[int], list[int]]]]:
    """Return for each context the encoded examples over its three passages of 140 words."""
    from dataclasses import dataclass

    from transformers import AutoTokenizer

    from doyen.core.models import resolve_generator
    from doyen.core.prompts import build_messages, encode_example

    @dataclass
    class Text:
        source: str
        heading: str
        text: str

    rng = random.Random(seed)
    words = WORDS.split()
    tokenizer = AutoTokenizer.from_pretrained(resolve_generator("smollm2-135m-instruct").folder)

    def prose(count: int) -> str:
        return " ".join(rng.choice(words) if rng.random() < 0.9 else str(rng.randrange(1000)) for _ in range(count))

    made = []
    for number in range(contexts):
        passages = [Text(f"manual-{number}-{place}.md", "Service", prose(140)) for place in range(3)]
        made.append([encode_example(tokenizer, build_messages(f"{prose(12)}?", passages), prose(12)) for _ in range(branches)])
    return made


def measure(way: str, contexts: int, branches: int, batch: int) -> dict[str, float]:
    """Train one step after another in this process; return examples and example tokens a second, and peak memory."""
    import torch

    from doyen.core.models import resolve_generator
    from doyen.core.settings import FinetuneSettings
    from doyen.finetune.adapter_model import add_adapter, load_base
    from doyen.finetune.loss import row_loss
    from doyen.finetune.packing import EncodedExample, pack

    groups = make_examples(contexts, branches, seed=1)
    flat = [example for group in groups for example in group]
    random.Random(2).shuffle(flat)
    model, tokenizer = load_base(resolve_generator("smollm2-135m-instruct").folder, "auto")
    model = add_adapter(model, FinetuneSettings()).train()
    optimiser = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], lr=1e-4)

    def padded(examples: list[tuple[list[int], list[int]]]) -> torch.Tensor:
        longest = max(len(prompt) + len(response) for prompt, response in examples)
        ids, labels, mask = [], [], []
        for prompt, response in examples:
            rest = longest - len(prompt) - len(response)
            ids.append([*prompt, *response, *[tokenizer.eos_token_id] * rest])
            labels.append([*[-100] * len(prompt), *response, *[-100] * rest])
            mask.append([1] * (longest - rest) + [0] * rest)
        as_tensor = torch.tensor
        return model(input_ids=as_tensor(ids), attention_mask=as_tensor(mask), labels=as_tensor(labels), use_cache=False).loss

    def shared(group: list[tuple[list[int], list[int]]]) -> torch.Tensor:
        row = pack([EncodedExample(tuple(prompt), tuple(response)) for prompt, response in group])
        return row_loss(model, row) / row.response_tokens

    work = groups if way == "shared" else [flat[start : start + batch] for start in range(0, len(flat), batch)]
    step = shared if way == "shared" else padded
    started = time.perf_counter()
    for item in work:
        step(item).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    seconds = time.perf_counter() - started
    tokens = sum(len(prompt) + len(response) for prompt, response in flat)
    from doyen.core.memory import peak_memory_mb

    return {
        "seconds": seconds,
        "examples_per_s": len(flat) / seconds,
        "example_tokens_per_s": tokens / seconds,
        "peak_mb": peak_memory_mb(),
    }


def main() -> None:
    """Run both ways, each in its own process, and print the table and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contexts", type=int, default=4, help="contexts to train on")
    parser.add_argument("--branches", type=int, default=8, help="examples that share a context")
    parser.add_argument("--batch", type=int, default=4, help="examples of a padded batch (8 need about 18 GB)")
    parser.add_argument("--way", choices=["plain", "shared"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.contexts, options.branches, options.batch)))
        return
    results = {}
    for way in ("plain", "shared"):
        command = [sys.executable, __file__, "--way", way]
        command += [f"--{name}={getattr(options, name)}" for name in ("contexts", "branches", "batch")]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results[way] = json.loads(output.splitlines()[-1])
        shown = results[way]
        print(
            f"{way:<8} {shown['examples_per_s']:6.2f} examples/s  {shown['example_tokens_per_s']:7.0f} example tokens/s  "
            f"peak {shown['peak_mb']:6.0f} MB"
        )
    ratio = results["shared"]["examples_per_s"] / results["plain"]["examples_per_s"]
    memory = results["plain"]["peak_mb"] / results["shared"]["peak_mb"]
    print(f"ratio    {ratio:.1f} times as fast, {memory:.1f} times less memory ({options.branches} examples a context)")


if __name__ == "__main__":
    main()
