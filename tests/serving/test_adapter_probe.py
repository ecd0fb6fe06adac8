"""An adapter that was loaded or converted acts as it did after training, or is refused."""

from __future__ import annotations

import json
import shutil
import threading

import pytest
import torch
from safetensors.torch import load_file, save_file

from doyen.core.errors import IncompatibleError
from doyen.core.prompts import build_messages
from doyen.finetune.adapter_reference import REFERENCE, Effect, ReferencePoint, effect_of, read_reference
from doyen.finetune.reading_adapter import GENERAL_ADAPTER
from doyen.finetune.registry import WEIGHTS
from doyen.platform.serving.engines import AdapterFiles, GenerationRequest, complete
from doyen.platform.serving.engines.adapter_probe import ProvenAdapters
from doyen.platform.serving.engines.gguf_export import interleave_rotary


@pytest.fixture(scope="module")
def altered(generator, tmp_path_factory):
    """Copy the general reading adapter, its reference included, with other weights."""

    def make(name, change):
        folder = tmp_path_factory.mktemp("altered") / name
        shutil.copytree(GENERAL_ADAPTER, folder)
        weights = load_file(folder / WEIGHTS)
        save_file({key: change(key, value) for key, value in weights.items()}, folder / WEIGHTS)
        return AdapterFiles(f"{name}:1", folder, generator.sha256)

    return make


def interleaved(key, value):
    """Order the rows of queries and keys as ggml does, which happens once too often then."""
    if "lora_B" in key and ("q_proj" in key or "k_proj" in key):
        heads = 9 if "q_proj" in key else 3
        return torch.from_numpy(interleave_rotary(value.float().numpy(), heads).copy()).to(value.dtype)
    return value


def scaled(by):
    return lambda key, value: value * by if "lora_B" in key else value


def ask(engine, adapter):
    return complete(engine, GenerationRequest(build_messages("Who keeps the keys?"), adapter, max_tokens=4)).text


@pytest.mark.model
def test_an_adapter_as_it_was_trained_serves_in_both_engines(llama, reference, generator):
    general = AdapterFiles("general-reading:0", GENERAL_ADAPTER, generator.sha256)
    assert read_reference(GENERAL_ADAPTER), "the shipped adapter has a reference"
    assert ask(llama, general) == ask(llama, general)
    assert ask(reference, general)


@pytest.mark.model
@pytest.mark.parametrize(("name", "change"), [("strong", scaled(1.3)), ("rows", interleaved)])
def test_what_a_wrong_conversion_gives_is_refused(llama, altered, name, change):
    wrong = altered(name, change)
    for _ in range(2):
        with pytest.raises(IncompatibleError, match=rf"'{name}:1' does not act in llama\.cpp as it was trained to: .* differs"):
            ask(llama, wrong)
    assert ask(llama, None), "the base still answers"


@pytest.mark.model
def test_an_adapter_that_changes_nothing_is_refused_also_without_a_reference(llama, reference, altered):
    nothing = altered("nothing", scaled(0.0))
    with pytest.raises(IncompatibleError, match="it changes nothing"):
        ask(reference, nothing)
    (nothing.folder / REFERENCE).unlink()
    for engine in (llama, reference):
        with pytest.raises(IncompatibleError, match="it changes nothing"):
            ask(engine, nothing)
    assert ask(reference, None)


def test_effects_are_compared_and_not_log_probabilities():
    point = ReferencePoint([1], list(range(10)), [-3.0] * 10, [-1.0] * 10)
    off = dict.fromkeys(range(10), -3.3)
    assert effect_of([point], [off], [dict.fromkeys(off, -1.25)]).problem is None, "both are off alike"
    assert "differs from that by 1.00" in effect_of([point], [off], [dict.fromkeys(off, -2.3)]).problem
    few = ReferencePoint([1], [1, 2], [-3.0, -3.0], [-1.0, -1.0])
    assert effect_of([few], [{1: -3.0, 2: -3.0}], [{1: -2.9, 2: -2.9}]).problem is None, "too few to judge by"
    assert effect_of([ReferencePoint([1], [], [], [])], [{1: -1.0, 5: -2.0}], [{1: -1.5}]) == Effect(1, 0.5)


def test_a_probe_runs_once_and_what_is_no_verdict_is_not_kept():
    proven, runs, start = ProvenAdapters(), [], threading.Barrier(4)

    def probe():
        runs.append(1)
        raise IncompatibleError("no")

    def ask_for():
        start.wait()
        with pytest.raises(IncompatibleError, match="no"):
            proven.require("a", probe)

    threads = [threading.Thread(target=ask_for) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs) == 1
    with pytest.raises(ValueError, match="Expecting"):
        proven.require("b", lambda: json.loads(""))
    proven.require("b", lambda: None)
