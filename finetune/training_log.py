"""What a running training tells: a line of JSON for each step and validation, and TensorBoard or MLflow where wished."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

TRAINING_LOG = "training_log.jsonl"
"""In the run's folder while it runs, then in the adapter's."""
_NAMES = {
    "loss": "loss",
    "eval_loss": "validation_loss",
    "learning_rate": "learning_rate",
    "grad_norm": "gradient_norm",
}


class TrainingLog(TrainerCallback):
    """Writes ``{"step", "loss", "learning_rate", "gradient_norm"}`` after each step, and ``{"step", "validation_loss"}``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Take back the lines of steps that a resumed run does again."""
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True) if self._path.is_file() else []
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= state.global_step]
        self._path.write_text("".join(kept), encoding="utf-8")

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Write a line, at once readable for others."""
        told = {_NAMES[name]: value for name, value in (logs or {}).items() if name in _NAMES}
        if "loss" in told or "validation_loss" in told:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **told}) + "\n")


def tracker_callbacks(tracker: str, folder: Path) -> list[TrainerCallback]:
    """Return transformers' own callback for a tracker, or none.

    Args:
        tracker: "none", "tensorboard" or "mlflow", whose packages are installed.
        folder: for TensorBoard's files.
    """
    if tracker == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        return [TensorBoardCallback(SummaryWriter(str(folder)))]
    if tracker == "mlflow":
        from transformers.integrations import MLflowCallback

        return [MLflowCallback()]
    return []
