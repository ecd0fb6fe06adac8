from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from peft import PeftModel
from support.stopped import StopAfter, Stopped

from doyen.annotation.types.typed_labels import LabelledText, PromptResponse
from doyen.core.errors import Busy, InputError, StateError
from doyen.core.jobs import log_path, losses_path, read_losses
from doyen.core.memory import peak_memory_mb
from doyen.core.progress import Silent
from doyen.core.store import open_store
from doyen.core.workspace import Workspace
from doyen.finetune import train as train_module
from doyen.finetune.adapter_model import add_adapter, load_base
from doyen.finetune.dataset import build_dataset
from doyen.finetune.margins import MARGINS
from doyen.finetune.registry import Registry
from doyen.finetune.supervision.learnt_pairs import find_areas
from doyen.finetune.train import train_adapter
from doyen.finetune.trainer import last_checkpoint
from doyen.platform.jobs.job_process import JobReporter


def weights(adapter) -> str:
    return hashlib.sha256((adapter.folder / "adapter_model.safetensors").read_bytes()).hexdigest()


@pytest.fixture
def dataset(tiny_workspace, store, domain):
    return build_dataset(tiny_workspace, store, domain, name="service")


@pytest.fixture
def run(tiny_workspace, store, dataset, retriever):
    def train(reporter=None, **changes):
        settings = tiny_workspace.settings.finetune.model_copy(update=changes)
        return train_adapter(tiny_workspace, store, dataset, retriever, name="tiny", reporter=reporter, settings=settings)

    return train


def test_an_adapter_is_trained_registered_and_loads(run, tiny_workspace, store, dataset, tiny_model):
    progress = StopAfter(10_000)
    adapter = run(progress, epochs=2, learning_rate=5e-3)
    manifest = json.loads((adapter.folder / "manifest.json").read_text())
    assert adapter == Registry(tiny_workspace, store).get("tiny")
    assert adapter.dataset_id == dataset.dataset_id
    assert manifest["losses"][-1] < manifest["losses"][0]
    assert manifest["validation_loss"] > 0
    assert 0 < manifest["peak_memory_mb"] <= round(peak_memory_mb())
    assert manifest["examples"]["steps"] == len(manifest["losses"]) == len(progress.notes)
    assert "s left" in progress.notes[-1]
    assert not list((tiny_workspace.adapters_folder / ".runs").glob("*"))
    labelled = [LabelledText("task", "", PromptResponse(pair.prompt, pair.response, pair.answerable)) for pair in dataset.train]
    areas, name = find_areas(tiny_workspace, store, labelled)
    assert (name, len(areas) > 20) == ("tiny:1", True)
    base, _ = load_base(tiny_model, "float32")
    assert PeftModel.from_pretrained(base, adapter.folder).peft_config["default"].r == 4


def test_a_job_keeps_the_losses_of_its_training(run, tiny_workspace):
    with log_path(tiny_workspace, "job").open("a", encoding="utf-8") as log:
        adapter = run(JobReporter(log, losses_path(tiny_workspace, "job")))
    losses = read_losses(tiny_workspace, "job")
    assert [each.step for each in losses] == list(range(1, len(adapter.manifest["losses"]) + 1))
    assert losses[0].loss == pytest.approx(adapter.manifest["losses"][0], abs=1e-3)


def test_the_same_run_is_not_repeated(run, retriever):
    first = run()
    calls = retriever.calls
    assert run() == first
    assert retriever.calls == calls
    assert run(learning_rate=1e-3).version == 2


@pytest.mark.parametrize("stop_after", [1, pytest.param(4, marks=pytest.mark.soak)])
def test_a_stopped_run_ends_with_the_weights_of_one_that_was_not(run, tiny_workspace, store, stop_after):
    first = run()
    whole, margins = weights(first), (first.folder / MARGINS).read_text()
    registry = Registry(tiny_workspace, store)
    registry.delete("tiny:1")
    with pytest.raises(Stopped):
        run(StopAfter(stop_after))
    assert registry.list() == []
    resumed = StopAfter(10_000)
    adapter = run(resumed)
    assert ("resumed" in resumed.notes) == (stop_after >= 2)
    assert weights(adapter) == whole
    assert (adapter.folder / MARGINS).read_text() == margins, "no step is missing or there twice"
    assert adapter.manifest["examples"]["steps"] == len(adapter.manifest["losses"])


def test_training_keeps_within_its_memory(tiny_workspace, store, dataset):
    """In a process of its own: what the libraries take, and for the tiny model's rows no more than 250 MB beside it."""
    measure = (
        "import torch, transformers, peft, doyen.finetune.train\n"
        "from doyen.core.memory import peak_memory_mb\n"
        "print(round(peak_memory_mb()))"
    )
    libraries = int(subprocess.run([sys.executable, "-c", measure], capture_output=True, text=True, check=True).stdout)
    script = Path(__file__).with_name("killed_run.py")
    command = [sys.executable, str(script), str(tiny_workspace.root), dataset.dataset_id, "1000000"]
    subprocess.run(command, capture_output=True, check=True)
    peak = Registry(tiny_workspace, store).get("tiny").manifest["peak_memory_mb"]
    assert libraries < peak < libraries + 250, (libraries, peak)


def test_a_killed_process_loses_nothing(run, tiny_workspace, store, dataset):
    script = Path(__file__).with_name("killed_run.py")
    command = [sys.executable, str(script), str(tiny_workspace.root), dataset.dataset_id, "3"]
    killed = subprocess.run(command, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert Registry(tiny_workspace, store).list() == []
    progress = StopAfter(10_000)
    resumed = weights(run(progress))
    assert "resumed" in progress.notes
    Registry(tiny_workspace, store).delete("tiny:1")
    assert weights(run()) == resumed


def test_a_second_training_and_a_writer_at_the_same_time_are_told_who_is_first(tiny_workspace, run):
    with tiny_workspace.lock("ingestion"), pytest.raises(Busy, match=rf"\(ingestion, process {os.getpid()}, since"):
        run()
    with tiny_workspace.training_lock("adapter tiny", "training tiny"), pytest.raises(Busy, match="training tiny, process"):
        run()
    made = run()
    shutil.rmtree(made.folder)  # trained again, as the files are gone
    started, go_on, found = threading.Event(), threading.Event(), []

    class Waits(Silent):
        def say(self, message: str) -> None:
            if "examples in" in message:
                started.set()
                go_on.wait(60)

    thread = threading.Thread(target=lambda: found.append(run(reporter=Waits())))
    thread.start()
    assert started.wait(60)
    with pytest.raises(Busy, match="cannot start"):
        run()
    go_on.set()
    thread.join()
    assert found[0].ref == "tiny:2"


def test_a_checkpoint_cut_short_is_not_resumed_from(tmp_path):
    for step, state in ((2, '{"global_step": 2}'), (4, '{"global_st')):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-6").mkdir()
    assert last_checkpoint(tmp_path).name == "checkpoint-2"
    assert last_checkpoint(tmp_path / "none") is None


def test_the_seed_shapes_the_adapter(run):
    assert weights(run()) != weights(run(seed=99))


def test_the_adapter_starts_from_the_seed_whatever_ran_before(tiny_workspace, tiny_model):
    import torch

    starts = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        model = add_adapter(load_base(tiny_model, "float32")[0], tiny_workspace.settings.finetune)
        starts.append(torch.cat([value.flatten() for name, value in model.named_parameters() if "lora_A" in name]))
    assert torch.equal(*starts)


def test_too_little_room_is_an_error_with_the_remedy(run):
    with pytest.raises(InputError, match=r"max_tokens = 64"):
        run(max_tokens=64, raft_shares=(1.0, 0.0, 0.0))


def test_running_out_of_memory_says_what_to_lower(run, monkeypatch):
    def fail(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(train_module, "_examples", fail)
    with pytest.raises(StateError, match="lower them or context_passages"):
        run()


@pytest.mark.model
def test_three_steps_on_the_packaged_model(workspace, store, domain, retriever):
    text = (workspace.root / "doyen.toml").read_text() + "\n[finetune]\nepochs = 0.05\nrank = 2\nforgetting_probe = false\n"
    (workspace.root / "doyen.toml").write_text(text)
    workspace = Workspace(workspace.root)
    dataset = build_dataset(workspace, store, domain, name="service")
    adapter = train_adapter(workspace, store, dataset, retriever, name="smoke")
    assert 1 <= len(adapter.manifest["losses"]) <= 3
    assert adapter.manifest["losses"][0] < 6
    reopened = open_store(workspace)
    assert Registry(workspace, reopened).get("smoke").ref == "smoke:1"
    reopened.close()
