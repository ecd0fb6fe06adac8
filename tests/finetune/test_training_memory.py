"""Memory is checked before a training, and the setting that is named would fit."""

from __future__ import annotations

import re

import pytest

from doyen.core import memory as core_memory
from doyen.core.errors import StateError
from doyen.core.settings import FinetuneSettings
from doyen.finetune import training_memory
from doyen.finetune.adapter_model import add_adapter, load_base
from doyen.finetune.packing import Branch, Row
from doyen.finetune.training_memory import MEGABYTE, _kept_bytes, _row, measure_row_memory, require_memory

LONG = Row(tuple(range(900)), (Branch((5,) * 20, (7,) * 20), Branch((5,) * 20, (7,) * 10)))
SETTINGS = FinetuneSettings(rank=4, dtype="float32")


@pytest.fixture
def model(tiny_model):
    return add_adapter(load_base(tiny_model, "float32")[0], SETTINGS)


def test_what_is_counted_on_short_rows_holds_for_long_ones(model):
    found = measure_row_memory(model)
    for row in (_row(300, 30), LONG):
        counted = _kept_bytes(model, row)
        expected = found.row + found.token * row.length + found.response * row.response_tokens
        # The mask grows with the square of the tokens; of a real model it is a small part.
        assert counted - 2 * 4 * row.length**2 < expected < 1.05 * counted


def test_the_setting_that_is_named_would_fit(model, monkeypatch):
    def free(megabytes):
        monkeypatch.setattr(training_memory, "available_memory_mb", lambda: megabytes)

    monkeypatch.setattr(training_memory, "RECOMPUTED", 1)  # of the two layers here
    needed = measure_row_memory(model).needed(LONG, SETTINGS) / MEGABYTE
    free(needed + 1)
    require_memory(model, [LONG], SETTINGS)
    free(0.95 * needed)
    with pytest.raises(StateError, match="gradient_checkpointing = true"):
        require_memory(model, [LONG], SETTINGS)
    thrifty = SETTINGS.model_copy(update={"gradient_checkpointing": True})
    require_memory(model, [LONG], thrifty)
    part = measure_row_memory(model, checkpointing=True).needed(LONG, thrifty) / MEGABYTE
    free(0.8 * part)
    with pytest.raises(StateError, match=r"max_tokens = \d+") as raised:
        require_memory(model, [LONG], thrifty)
    tokens = int(re.search(r"max_tokens = (\d+)", str(raised.value))[1])
    shorter = Row(LONG.prefix[: tokens - 40], LONG.branches)
    require_memory(model, [shorter], thrifty.model_copy(update={"max_tokens": tokens}))
    model.gradient_checkpointing_disable()
    free(0.0)
    with pytest.raises(StateError, match="take a smaller"):
        require_memory(model, [LONG], SETTINGS)
    monkeypatch.setattr(training_memory, "available_memory_mb", lambda: None)
    require_memory(model, [LONG], SETTINGS)


def test_free_memory_is_that_of_the_machine_within_the_group(monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 4096000 kB\nMemAvailable: 2048000 kB\n")
    monkeypatch.setattr(core_memory, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(core_memory, "_GROUP", tmp_path)
    assert core_memory.available_memory_mb() == 2000
    for name, text in {"memory.max": "max\n", "memory.current": "1048576\n", "memory.stat": "inactive_file 0\n"}.items():
        (tmp_path / name).write_text(text)
    assert core_memory.available_memory_mb() == 2000
    (tmp_path / "memory.max").write_text(f"{500 * 2**20}\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 1048576\n")
    assert core_memory.available_memory_mb() == 500
    (tmp_path / "meminfo").unlink()
    assert core_memory.available_memory_mb() is None
