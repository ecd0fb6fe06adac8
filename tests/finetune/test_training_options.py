"""Methods, learning rates, early stopping and the choice of the device, on the tiny model."""

from __future__ import annotations

import json
from functools import partial

import pytest
import torch
from pydantic import ValidationError
from support.stopped import StopAfter, Stopped

from doyen.core.errors import IncompatibleError, MissingPart
from doyen.core.models import DeviceTable, choose_devices, is_llamacpp_gpu
from doyen.core.progress import Silent
from doyen.core.settings import FinetuneSettings
from doyen.finetune import training_options
from doyen.finetune.adapter_model import add_adapter, load_base, lora_layers
from doyen.finetune.dataset import build_dataset
from doyen.finetune.loss import row_loss
from doyen.finetune.packing import Branch, Row
from doyen.finetune.registry import Registry
from doyen.finetune.train import train_adapter
from doyen.finetune.trainer import fit, is_exhausted
from doyen.finetune.training_log import TRAINING_LOG

ROW = Row(tuple(range(100, 140)), (Branch((5, 6), (7, 8, 9)), Branch((10,), (11, 12))))


def settings(**changes) -> FinetuneSettings:
    return FinetuneSettings(rank=4, dtype="float32", **changes)


@pytest.fixture
def adapted(tiny_model):
    """Give the tiny model with an adapter of some settings, fresh or gone on from a folder."""
    return lambda start=None, **changes: add_adapter(load_base(tiny_model, "float32")[0], settings(**changes), start)


@pytest.fixture
def start(adapted, tmp_path):
    """A plain LoRA adapter that changes the model."""
    model = adapted()
    with torch.no_grad():
        for _, layer in lora_layers(model):
            layer.lora_B["default"].weight.normal_(std=0.05)
    model.save_pretrained(tmp_path / "start")
    return tmp_path / "start"


@pytest.mark.parametrize("method", ["rslora", "dora"])
def test_an_adapter_that_becomes_one_of_another_method_changes_nothing_at_first(adapted, start, method, tmp_path):
    before = row_loss(adapted(start).eval(), ROW)
    turned = adapted(start, method=method)
    assert torch.allclose(row_loss(turned.eval(), ROW), before, rtol=1e-5)
    row_loss(turned.train(), ROW).backward()
    kinds = {"lora_A", "lora_B", *(["lora_magnitude_vector"] if method == "dora" else [])}
    moved = {name for name, value in turned.named_parameters() if value.grad is not None and value.grad.any()}
    assert {kind for kind in kinds if any(kind in name for name in moved)} == kinds
    assert all(any(kind in name for kind in kinds) for name in moved)
    turned.save_pretrained(tmp_path / method)
    assert torch.allclose(row_loss(adapted(tmp_path / method, method=method).eval(), ROW), before, rtol=1e-5)


def test_dora_cannot_become_another_method(adapted, tmp_path):
    adapted(method="dora").save_pretrained(tmp_path / "dora")
    with pytest.raises(IncompatibleError, match="leave the method at 'lora'"):
        adapted(tmp_path / "dora", method="rslora")


def test_gradient_checkpointing_gives_the_same_gradients(adapted):
    def gradients(**changes):
        model = adapted(**changes).train()
        row_loss(model, ROW).backward()
        return torch.cat([value.grad.flatten() for value in model.parameters() if value.requires_grad])

    assert torch.allclose(gradients(gradient_checkpointing=True), gradients(), atol=1e-6)
    with pytest.raises(ValidationError, match="set one of them"):
        settings(gradient_checkpointing=True, prefix_gradients=False)


def test_early_stopping_with_other_learning_rates_resumes_exactly(tiny_workspace, store, domain, retriever, monkeypatch):
    """A learning rate that ruins the model makes early weights the best; it is stopped early, and when they are known."""

    def stop(*_, **__):
        raise Stopped

    dataset = build_dataset(tiny_workspace, store, domain, name="service")
    options = {"epochs": 6, "learning_rate": 0.1, "b_rate_ratio": 4.0, "patience": 2, "evaluation_steps": 2}
    chosen = tiny_workspace.settings.finetune.model_copy(update={**options, "method": "rslora", "gradient_checkpointing": True})
    train = partial(train_adapter, tiny_workspace, store, dataset, retriever, name="tiny", settings=chosen)

    whole = train()
    steps, losses = zip(*whole.manifest["validations"], strict=True)
    assert whole.manifest["validation_loss"] == min(losses)
    assert whole.manifest["best_step"] == steps[losses.index(min(losses))] == steps[-3]
    assert len(whole.manifest["losses"]) == steps[-1] < whole.manifest["examples"]["steps"]
    log = (whole.folder / TRAINING_LOG).read_text()
    told = [json.loads(line) for line in log.splitlines()]
    assert [line["step"] for line in told if "loss" in line] == list(range(1, steps[-1] + 1))
    assert [line["step"] for line in told if "validation_loss" in line] == list(steps)

    weights = (whole.folder / "adapter_model.safetensors").read_bytes()
    Registry(tiny_workspace, store).delete("tiny:1")
    with pytest.raises(Stopped):
        train(reporter=StopAfter(3))
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Registry, "register", stop)
        train()
    again = train()
    assert (again.folder / "adapter_model.safetensors").read_bytes() == weights
    assert again.manifest["validations"] == whole.manifest["validations"]
    assert (again.folder / TRAINING_LOG).read_text() == log


def test_patience_counts_validations_since_the_best():
    losses = [(2, 3.0), (4, 2.0), (6, 2.5), (8, 2.0)]
    assert [is_exhausted(losses[:count], 2) for count in range(5)] == [False, False, False, False, True]


@pytest.mark.parametrize(
    ("table", "device", "layers", "four_bits"),
    [
        (DeviceTable(), "cpu", 0, "PyTorch finds no CUDA GPU, and bitsandbytes is not installed"),
        (DeviceTable(mps=True, bitsandbytes=True), "mps", 0, "PyTorch finds no CUDA GPU"),
        (DeviceTable(cuda=True, bitsandbytes=True, llamacpp_gpu=True), "cuda", 999, ""),
        (DeviceTable(cuda=True, mps=True), "cuda", 0, "bitsandbytes is not installed"),
    ],
)
def test_each_machine_computes_where_it_is_fastest(table, device, layers, four_bits):
    chosen = choose_devices(table)
    assert (chosen.torch, chosen.gpu_layers) == (device, layers)
    assert chosen.four_bits.startswith(four_bits)
    assert bool(chosen.four_bits) == bool(four_bits)


def test_llamacpp_names_its_gpus_so():
    xllamacpp = pytest.importorskip("xllamacpp")
    gpus = {kind.name.rsplit("_", 1)[1] for kind in xllamacpp.ggml_backend_dev_type if is_llamacpp_gpu(kind.name)}
    assert gpus == {"GPU", "IGPU"}


def test_options_that_a_machine_or_an_engine_does_not_have_are_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(training_options, "device_table", DeviceTable)
    with pytest.raises(IncompatibleError, match=r"no CUDA GPU.*set it to false"):
        training_options.require_options(settings(quantised_base=True), "transformers")
    monkeypatch.setattr(training_options, "device_table", lambda: DeviceTable(cuda=True, bitsandbytes=True))
    training_options.require_options(settings(quantised_base=True), "transformers")
    with pytest.raises(IncompatibleError, match=r'serving\.engine = "transformers"'):
        training_options.require_options(settings(method="dora"), "llamacpp")
    monkeypatch.setattr(training_options, "find_spec", lambda _: None)
    with pytest.raises(MissingPart, match="pip install mlflow"):
        training_options.require_options(settings(tracker="mlflow"), "llamacpp")


def test_trainings_before_the_options_keep_their_identity():
    usual = training_options.shaping_settings(FinetuneSettings())
    assert not {*training_options.CHOSEN, "tracker"} & usual.keys()
    chosen = training_options.shaping_settings(FinetuneSettings(method="rslora", evaluation_steps=3))
    assert chosen == {**usual, "method": "rslora"}


def test_tensorboard_gets_the_losses(adapted, tmp_path):
    """By transformers' own callback; the row is trained on twice."""
    pytest.importorskip("tensorboard")
    chosen = settings(tracker="tensorboard", epochs=1, patience=1)
    fitted = fit(adapted(), [[ROW], [ROW]], [], chosen, tmp_path / "run", Silent(), tracked=tmp_path / "board")
    assert (len(fitted.losses), fitted.validations, fitted.best_step) == (2, [], None), "patience without validation rows"
    [events] = (tmp_path / "board").glob("events.out.tfevents.*")
    assert b"train/loss" in events.read_bytes()
