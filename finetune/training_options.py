"""Options of a training that are not for every machine or engine, and how they enter a run's identity."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from pydantic import ValidationError

from doyen.core.errors import IncompatibleError, InputError, MissingPart
from doyen.core.models import choose_devices, device_table
from doyen.core.settings import FinetuneSettings

TRACKER_PACKAGES = {"tensorboard": "tensorboard", "mlflow": "mlflow"}
OF_HEADS = frozenset({"head_base", "head_epochs", "head_learning_rate"})
WITHOUT_EFFECT = frozenset({"checkpoint_steps", "seed", "start_from", "tracker", "forgetting_probe"}) | OF_HEADS
"""Settings that do not shape the weights, or stand elsewhere in a manifest."""
CHOSEN = (
    *("method", "b_rate_ratio", "quantised_base", "gradient_checkpointing", "patience", "evaluation_steps"),
    *("replay", "replay_share", "ewc"),
)
"""Settings that enter a run's identity only where they differ from their defaults: those of trainings before they came."""


def changed_settings(settings: FinetuneSettings, changes: Mapping[str, Any]) -> FinetuneSettings:
    """Return the settings with some changed; texts are read as the environment's are.

    Raises:
        InputError: a setting or its value is not known; the message names all.
    """
    try:
        return FinetuneSettings.model_validate({**settings.model_dump(), **changes})
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, item['loc'])) or 'finetune'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise InputError("these settings of a training cannot be: " + "; ".join(wrong)) from error


def require_options(settings: FinetuneSettings, engine: str) -> None:
    """Check that this machine can train with the settings, and the workspace's engine serve what comes of it.

    Args:
        engine: ``serving.engine``.

    Raises:
        IncompatibleError: it cannot.
        MissingPart: a tracker is not installed.
    """
    if settings.quantised_base and (why := choose_devices(device_table()).four_bits):
        raise IncompatibleError(f"finetune.quantised_base = true is not possible here: {why}; set it to false")
    if settings.method == "dora" and engine == "llamacpp":
        raise IncompatibleError(
            'llama.cpp cannot serve adapters of finetune.method = "dora": set serving.engine = "transformers", or take '
            '"lora" or "rslora"'
        )
    package = TRACKER_PACKAGES.get(settings.tracker)
    if package and find_spec(package) is None:
        raise MissingPart(
            f"finetune.tracker = {settings.tracker!r} needs a package that is not installed: `pip install {package}`"
        )


def shaping_settings(settings: FinetuneSettings, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the settings that shape an adapter's weights, as JSON values."""
    usual = frozenset(CHOSEN) - settings.model_dump(exclude_defaults=True).keys()
    unused = {
        name for name, chosen in {"evaluation_steps": settings.patience, "replay_share": settings.replay}.items() if not chosen
    }
    return settings.model_dump(mode="json", exclude={*WITHOUT_EFFECT, *usual, *unused, *without})
