"""The one module that knows transformers' Trainer: from batches of rows to trained weights."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import set_peft_model_state_dict
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_utils import get_last_checkpoint

from doyen.core.models import torch_device
from doyen.core.progress import Bar, Reporter
from doyen.core.settings import FinetuneSettings
from doyen.finetune.loss import mean_loss, row_loss_and_margins
from doyen.finetune.margins import MARGINS, MarginLog
from doyen.finetune.pace import Pace, claim_threads, measure_pace
from doyen.finetune.packing import Row
from doyen.finetune.registry import WEIGHTS
from doyen.finetune.training_log import TRAINING_LOG, TrainingLog, tracker_callbacks

WARM_UP = 0.06
"""Share of the steps in which the learning rate rises to its full value."""
VALIDATION_LOSS = "eval_loss"
"""transformers' name of it."""


def measure_adapter_pace(model: Any, rows: Sequence[Row], settings: FinetuneSettings) -> Pace:
    """Return how fast an adapter is trained on rows; see ``measure_pace``."""

    def loss(row: Row) -> Tensor:
        return row_loss_and_margins(model, row, model.device, train_prefix=settings.prefix_gradients)[0]

    return measure_pace(model, rows, lambda row: row.length, loss)


class AdapterTrainer(Trainer):
    """Trainer whose batches are lists of rows; the loss is the mean over all response tokens of a batch."""

    def __init__(
        self, *, settings: FinetuneSettings, margins: MarginLog, penalty: Callable[[], Tensor] | None, **options: Any
    ) -> None:
        """Pass the options on; ``penalty`` is added to the loss of a step, and left out of what is told of it."""
        self.optimizer: Any = None
        self.control: Any = None
        super().__init__(**options)
        self.settings, self.margins, self.penalty = settings, margins, penalty

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Return AdamW; with LoRA+ (Hayou et al., arXiv 2402.12354) the B matrices have a higher learning rate."""
        if self.settings.b_rate_ratio == 1 or self.optimizer is not None:
            return super().create_optimizer(model)
        kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
        options |= {"loraplus_lr_ratio": self.settings.b_rate_ratio, "loraplus_weight_decay": self.args.weight_decay}
        self.optimizer = create_loraplus_optimizer(self.model, kind, **options)
        return self.optimizer

    def training_step(self, model: Any, inputs: list[Row], *_: Any) -> Tensor:
        """Add up the gradients of a batch row by row, so that memory is that of the longest row alone."""
        model.train()
        tokens = sum(row.response_tokens for row in inputs)
        total = torch.zeros((), device=self.args.device)
        for row in inputs:
            summed, margins = row_loss_and_margins(model, row, self.args.device, train_prefix=self.settings.prefix_gradients)
            loss = summed / tokens
            self.accelerator.backward(loss)
            total += loss.detach()
            self.margins.add(self.state.global_step + 1, row, margins.tolist())
        if self.penalty:
            self.accelerator.backward(self.penalty())
        return total

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Return the loss on the validation rows."""
        found = {VALIDATION_LOSS: mean_loss(self.model, self.eval_dataset)}
        self.log(found)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found


class _Progress(TrainerCallback):
    """Shows each step with the smoothed loss and the time that is left."""

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


class _EarlyStop(TrainerCallback):
    """Ends the training when the last validations were no better than the best before them."""

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def on_evaluate(self, _args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Judge by all validations so far: a run that goes on from a checkpoint counts on."""
        if is_exhausted(validation_losses(state), self._patience):
            control.should_training_stop = True


def validation_losses(state: TrainerState) -> list[tuple[int, float]]:
    """Return step and loss of each validation so far."""
    return [(entry["step"], entry[VALIDATION_LOSS]) for entry in state.log_history if VALIDATION_LOSS in entry]


def is_exhausted(losses: Sequence[tuple[int, float]], patience: int) -> bool:
    """Return whether the last ``patience`` validations were no better than the best before them."""
    values = [loss for _, loss in losses]
    return bool(values) and len(values) - 1 - values.index(min(values)) >= patience


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint: its state file is written last, one cut short is removed."""
    while folder.is_dir() and (name := get_last_checkpoint(str(folder))):
        checkpoint = Path(name)
        try:
            json.loads((checkpoint / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
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
        patience: validations without a gain that end the training; 0: there are none.
    """

    learning_rate: float
    checkpoint_steps: int
    seed: int
    weight_decay: float = 0.0
    patience: int = 0


@dataclass(frozen=True)
class Fitted:
    """How a training went.

    Attributes:
        losses: of each step.
        validations: step and loss of each; none without ``patience``.
        best_step: whose weights the model has; None: those of the last step.
    """

    losses: list[float]
    validations: list[tuple[int, float]]
    best_step: int | None


def fit(
    model: Any,
    batches: Sequence[list[Row]],
    validation: Sequence[Row],
    settings: FinetuneSettings,
    run_folder: Path,
    reporter: Reporter,
    *,
    penalty: Callable[[], Tensor] | None = None,
    tracked: Path | None = None,
) -> Fitted:
    """Train the adapter on the batches, once each and in their order, until ``patience`` ends it or they do.

    How sure each step was of its examples is written to the run's folder, see ``MarginLog``.

    Args:
        validation: what early stopping validates on; without it all batches are trained on.
        penalty: added to the loss of each step.
        tracked: folder for TensorBoard's files.
    """
    patience = settings.patience if validation else 0
    steps = settings.evaluation_steps if patience else settings.checkpoint_steps
    schedule = Schedule(settings.learning_rate, steps, settings.seed, patience=patience)
    margins = MarginLog(run_folder / MARGINS, steps_done(run_folder))
    trainer = partial(AdapterTrainer, settings=settings, margins=margins, penalty=penalty, eval_dataset=list(validation))
    callbacks = [TrainingLog(run_folder / TRAINING_LOG), *tracker_callbacks(settings.tracker, tracked or run_folder)]
    state = _train(trainer, model, batches, schedule, run_folder, reporter, "training the adapter", callbacks)
    if not patience:
        return Fitted(_losses(state), [], None)
    best = Path(str(state.best_model_checkpoint))
    set_peft_model_state_dict(model, load_file(run_folder / best.name / WEIGHTS))
    return Fitted(_losses(state), validation_losses(state), state.best_global_step)


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
    return _losses(_train(make_trainer, model, batches, schedule, run_folder, reporter, title))


def _train(
    make_trainer: Callable[..., Trainer],
    model: Any,
    batches: Sequence[list[Any]],
    schedule: Schedule,
    run_folder: Path,
    reporter: Reporter,
    title: str,
    callbacks: Sequence[TrainerCallback] = (),
) -> TrainerState:
    """Train, or go on from the last checkpoint; return the state at the end."""
    claim_threads()
    checkpoint = last_checkpoint(run_folder)
    done = _steps_of(checkpoint)
    with reporter.bar(title, len(batches)) as bar:
        if checkpoint:
            bar.advance(done, "resumed")
            state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
            if schedule.patience and is_exhausted(validation_losses(state), schedule.patience):
                return state
        trainer = make_trainer(
            model=model,
            args=_arguments(schedule, run_folder, len(batches)),
            train_dataset=list(batches),
            data_collator=_only_batch,
            callbacks=[
                _Progress(bar, done, len(batches)),
                *([_EarlyStop(schedule.patience)] if schedule.patience else []),
                *callbacks,
            ],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return trainer.state


def _arguments(schedule: Schedule, folder: Path, steps: int) -> TrainingArguments:
    validated: dict[str, Any] = {
        "eval_strategy": "steps",
        "eval_steps": schedule.checkpoint_steps,
        "metric_for_best_model": VALIDATION_LOSS,
        "greater_is_better": False,
    }
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
        **(validated if schedule.patience else {}),
    )


def _losses(state: TrainerState) -> list[float]:
    return [entry["loss"] for entry in state.log_history if "loss" in entry]


def _only_batch(items: list[list[Any]]) -> list[Any]:
    return items[0]


def _steps_of(checkpoint: Path | None) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1]) if checkpoint else 0
