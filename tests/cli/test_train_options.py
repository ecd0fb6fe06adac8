"""Options of ``doyen train`` reach the training, and wrong ones are told together."""

from __future__ import annotations

import pytest

from doyen.core.errors import InputError
from doyen.core.settings import FinetuneSettings
from doyen.finetune.training_options import changed_settings
from doyen.platform.cli.train_command import _options


def test_settings_are_given_by_options_and_as_texts():
    options = _options(["rank=8", "raft_shares=0.7,0.1,0.2", "gradient_checkpointing=true"], method="rslora", patience=None)
    chosen = changed_settings(FinetuneSettings(), options)
    assert (chosen.rank, chosen.raft_shares, chosen.gradient_checkpointing) == (8, (0.7, 0.1, 0.2), True)
    assert (chosen.method, chosen.patience) == ("rslora", 0)


def test_wrong_settings_are_told_together():
    with pytest.raises(InputError, match=r"rank.*nonsense") as raised:
        changed_settings(FinetuneSettings(), {"rank": "0", "nonsense": "1"})
    assert "greater than or equal to 1" in str(raised.value)
    with pytest.raises(InputError, match="set one of them"):
        changed_settings(FinetuneSettings(), {"gradient_checkpointing": True, "prefix_gradients": False})
    with pytest.raises(InputError, match="--set rank says no value"):
        _options(["rank"])
