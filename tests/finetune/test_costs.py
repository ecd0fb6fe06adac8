"""What a training takes, told before it starts, kept in its manifest beside what happened."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
from support.stopped import StopAfter, Stopped

from doyen.core.costs import Estimate, Spent, compare, describe_comparison, duration, load_estimate, price, save_estimate
from doyen.core.errors import InputError
from doyen.core.memory import peak_memory_mb, peak_memory_with_children_mb
from doyen.core.settings import CostSettings, PriceSettings
from doyen.finetune.dataset import build_dataset
from doyen.finetune.pace import Pace, _line
from doyen.finetune.train import estimate_adapter, train_adapter

PRICES = CostSettings(
    currency="USD", machine_hour=0.5, prices=(PriceSettings(model="judge", prompt_1000=0.01, completion_1000=0.03, hour=2),)
)


def test_money_is_tokens_and_hours_and_this_machines_time() -> None:
    assert price(PRICES, "judge", 2000, 1000, 3600) == pytest.approx(0.02 + 0.03 + 2 + 0.5)
    assert price(PRICES, "packaged", 2000, 1000, 1800) == pytest.approx(0.25)


def test_an_estimate_is_kept_and_told_and_compared(tmp_path) -> None:
    estimate = Estimate("judging", "answers", Spent(10, 110.0, 900.0, 1000, 50, 0.5), "by 3 answers", "USD")
    save_estimate(tmp_path, estimate)
    assert load_estimate(tmp_path) == estimate
    assert load_estimate(tmp_path / "elsewhere") is None
    assert estimate.describe() == (
        "judging: 10 answers, 1,000 tokens to read, 50 to write, about 2 min, at most 0.9 GB of memory, 0.50 USD (by 3 answers)"
    )
    cost = compare(estimate, Spent(10, 100.0, 1000.0, 1000, 40, 0.5))
    assert cost["error"] == {
        "seconds": 0.1,
        "memory_mb": -0.1,
        "prompt_tokens": 0.0,
        "completion_tokens": 0.25,
        "money": 0.0,
    }
    assert describe_comparison(json.loads(json.dumps(cost))).startswith("It took 2 min, 2 min were expected (+10%)")
    assert compare(estimate, Spent(4, 30.0))["error"] is None, "other work than was estimated"
    assert [duration(s) for s in (1.24, 42, 300, 7200)] == ["1.2 s", "42 s", "5 min", "2.0 h"]


def test_a_line_through_times_never_promises_less_than_nothing() -> None:
    assert _line([100, 200, 300], [1.1, 2.1, 3.1]) == (pytest.approx(0.1), pytest.approx(0.01))
    assert _line([100, 100], [1.0, 3.0]) == (2.0, 0.0)
    assert _line([100, 300], [0.5, 2.5])[0] == 0.0
    pace = Pace(item=1.0, token=0.01, step=0.5, forward=0.25, items=3)
    assert pace.seconds([100, 100, 100], 2) == pytest.approx(3 * 2.0 + 2 * 0.5)
    assert pace.validation_seconds([100]) == pytest.approx(0.25 * 2.0)


def test_memory_counts_the_processes_that_were_started() -> None:
    alone = peak_memory_mb()
    command = [sys.executable, "-c", "print(len(bytearray(50_000_000)), flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        assert peak_memory_with_children_mb() > alone + 45
        child.communicate(b"\n")


@pytest.fixture
def given(tiny_workspace, store, domain, retriever):
    settings = tiny_workspace.settings.finetune.model_copy(update={"checkpoint_steps": 2})
    dataset = build_dataset(tiny_workspace, store, domain, name="service")
    return (tiny_workspace, store, dataset, retriever), {"name": "tiny", "settings": settings}


def test_a_training_is_estimated_and_its_manifest_keeps_the_error(given, tmp_path) -> None:
    where, how = given
    plain = train_adapter(*where, name="plain", settings=how["settings"])
    estimate = estimate_adapter(*where, **how)
    assert estimate.expected.units == plain.manifest["examples"]["steps"]
    assert estimate.expected.prompt_tokens == plain.manifest["examples"]["tokens"]
    assert estimate.expected.seconds > 0
    trained = train_adapter(*where, **how)
    cost = trained.manifest["cost"]
    assert Estimate.from_json(cost["estimate"]) == estimate, "what was told before is what is compared"
    assert cost["happened"]["units"] == estimate.expected.units
    assert set(cost["error"]) == {"seconds", "memory_mb", "prompt_tokens"}
    assert _weights(trained) == _weights(plain), "a trial changes no weight and no chance"
    with pytest.raises(InputError, match="already trained"):
        estimate_adapter(*where, **how)


def test_a_run_that_goes_on_is_not_held_against_the_whole_estimate(given) -> None:
    where, how = given
    with pytest.raises(Stopped):
        train_adapter(*where, **how, reporter=StopAfter(3))
    cost = train_adapter(*where, **how).manifest["cost"]
    assert cost["error"] is None
    assert cost["happened"]["units"] < cost["estimate"]["expected"]["units"]
    assert "left to do" in describe_comparison(cost)


def _weights(adapter) -> str:
    return hashlib.sha256((adapter.folder / "adapter_model.safetensors").read_bytes()).hexdigest()
