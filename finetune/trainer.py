"""The one module that knows transformers' Trainer and peft: from batches of rows to LoRA weights."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from doyen.core.models import torch_device, torch_dtype
from doyen.core.progress import Bar, Reporter
from doyen.core.settings import FinetuneSettings
from doyen.finetune.loss import row_loss
from doyen.finetune.pace import Pace, claim_threads, measure_pace
from doyen.finetune.packing import Row

WARM_UP = 0.06
"""Share of the steps in which the learning rate rises to its full value."""


def load_base(folder: Path, dtype_setting: str) -> tuple[Any, Any]:
    """Return ``(model, tokenizer)`` of a verified folder, the model in the dtype that the setting asks for."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch_dtype(dtype_setting), attn_implementation="sdpa", trust_remote_code=False, use_safetensors=True
    )
    return model, AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def add_adapter(model: Any, settings: FinetuneSettings, start: Path | None = None) -> Any:
    """Return the model with a LoRA adapter on all linear layers (Hu et al., arXiv 2106.09685) that can be trained.

    The seed is set first: a fresh adapter's matrices are random.

    Args:
        start: PEFT folder of the adapter to go on from, with its own rank; None makes a fresh one.
    """
    set_seed(settings.seed)
    if start is not None:
        return PeftModel.from_pretrained(model, start, is_trainable=True)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def measure_adapter_pace(model: Any, rows: Sequence[Row], settings: FinetuneSettings) -> Pace:
    """Return how fast an adapter is trained on rows; see ``measure_pace``."""

    def loss(row: Row) -> Tensor:
        return row_loss(model, row, model.device, train_prefix=settings.prefix_gradients)

    return measure_pace(model, rows, lambda row: row.length, loss)


class AdapterTrainer(Trainer):
    """Trainer whose batches are lists of rows; the loss is the mean over all response tokens of a batch."""

    def __init__(self, *, train_prefix: bool, **options: Any) -> None:
        """Pass the options on; ``train_prefix`` is the setting ``finetune.prefix_gradients``."""
        super().__init__(**options)
        self.train_prefix = train_prefix

    def training_step(self, model: Any, inputs: list[Row], *_: Any) -> Tensor:
        """Add up the gradients of a batch row by row, so that memory is that of the longest row alone."""
        model.train()
        tokens = sum(row.response_tokens for row in inputs)
        total = torch.zeros((), device=self.args.device)
        for row in inputs:
            loss = row_loss(model, row, self.args.device, train_prefix=self.train_prefix) / tokens
            self.accelerator.backward(loss)
            total += loss.detach()
        return total


class _Progress(TrainerCallback):
    """Shows each step with the smoothed loss and the time that is left, and keeps the losses."""

    def __init__(self, bar: Bar, done: int, total: int) -> None:
        self._bar, self._total, self._started, self._first = bar, total, time.monotonic(), done
        self.losses: list[float] = []

    def on_log(self, args: Any, state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Take over the loss of a step."""
        if logs is None or "loss" not in logs:
            return
        self.losses.append(logs["loss"])
        recent = sum(self.losses[-10:]) / len(self.losses[-10:])
        pace = (time.monotonic() - self._started) / (state.global_step - self._first)
        left = pace * (self._total - state.global_step)
        self._bar.advance(1, f"loss {recent:.3f}, {left:.0f} s left")


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint: its state file is written last, one cut short is removed."""
    while folder.is_dir() and (name := get_last_checkpoint(str(folder))):
        checkpoint = Path(name)
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            shutil.rmtree(checkpoint)
            continue
        return checkpoint
    return None


def steps_done(folder: Path) -> int:
    """Return how many steps the newest complete checkpoint of a run holds."""
    return _steps_of(last_checkpoint(folder))


@dataclass(frozen=True)
class Schedule:
    """How a model is trained on its batches.

    Attributes:
        learning_rate: the highest, reached after the warm-up; it then falls to 0 along a cosine.
        checkpoint_steps: steps between two checkpoints.
        seed: of dropout.
        weight_decay: of AdamW.
    """

    learning_rate: float
    checkpoint_steps: int
    seed: int
    weight_decay: float = 0.0


def fit(
    model: Any, batches: Sequence[list[Row]], settings: FinetuneSettings, run_folder: Path, reporter: Reporter
) -> list[float]:
    """Train the adapter on the batches, once each and in their order; return the loss of every step."""
    schedule = Schedule(settings.learning_rate, settings.checkpoint_steps, settings.seed)
    trainer = partial(AdapterTrainer, train_prefix=settings.prefix_gradients)
    return run_trainer(trainer, model, batches, schedule, run_folder, reporter, title="training the adapter")


def run_trainer(
    make_trainer: Callable[..., Trainer],
    model: Any,
    batches: Sequence[list[Any]],
    schedule: Schedule,
    run_folder: Path,
    reporter: Reporter,
    *,
    title: str,
) -> list[float]:
    """Train a model on the batches, once each and in their order; return the loss of every step.

    Checkpoints in ``run_folder`` hold weights, optimiser, schedule and random states: a run that goes on from one ends with
    the weights of a run that was never stopped.

    Args:
        make_trainer: a Trainer whose training step takes a batch as it is.
        title: of the progress bar.
    """
    claim_threads()
    checkpoint = last_checkpoint(run_folder)
    done = _steps_of(checkpoint)
    with reporter.bar(title, len(batches)) as bar:
        if done:
            bar.advance(done, "resumed")
        trainer = make_trainer(
            model=model,
            args=_arguments(schedule, run_folder, len(batches)),
            train_dataset=list(batches),
            data_collator=_only_batch,
            callbacks=[_Progress(bar, done, len(batches))],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def mean_loss(model: Any, rows: Sequence[Row], advance: Callable[[], None] = lambda: None) -> float:
    """Return the mean loss per response token over rows, in nats, without dropout; NaN for no rows."""
    model.eval()
    total, tokens = 0.0, 0
    with torch.no_grad():
        for row in rows:
            total += row_loss(model, row, model.device).item()
            tokens += row.response_tokens
            advance()
    return total / tokens if tokens else math.nan


def _arguments(schedule: Schedule, folder: Path, steps: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=1,
        train_sampling_strategy="sequential",
        learning_rate=schedule.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, round(WARM_UP * steps)),
        max_grad_norm=1.0,
        weight_decay=schedule.weight_decay,
        logging_steps=1,
        save_steps=schedule.checkpoint_steps,
        save_total_limit=2,
        seed=schedule.seed,
        use_cpu=torch_device() == "cpu",
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to="none",
    )


def _only_batch(items: list[list[Any]]) -> list[Any]:
    return items[0]


def _steps_of(checkpoint: Path | None) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1]) if checkpoint else 0
