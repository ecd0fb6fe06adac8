"""Adapters out of the registry and in again: each form acts as the adapter does, and what is foreign or damaged is refused."""

from __future__ import annotations

import json
import re
import shutil

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.command_line import run_doyen

from doyen.core.errors import IncompatibleError, InputError
from doyen.core.prompts import build_messages, encode_prompt
from doyen.finetune.adapter_reference import REFERENCE, probe_prompts, read_reference
from doyen.finetune.reading_adapter import GENERAL_ADAPTER, shipped_adapter
from doyen.finetune.registry import WEIGHTS, Registry
from doyen.platform.adapters.adapter_export import FORMATS, export_adapter
from doyen.platform.adapters.adapter_import import import_adapter
from doyen.platform.adapters.modelfile import modelfile_text
from doyen.platform.adapters.tuned_model import TunedModel

pytestmark = pytest.mark.model
SHIPPED = shipped_adapter().ref


@pytest.fixture(scope="module")
def tokenizer(generator):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(generator.folder)


@pytest.fixture
def elsewhere(tmp_path):
    """A PEFT folder as another program leaves it: no manifest, no reference."""
    folder = tmp_path / "trained"
    shutil.copytree(GENERAL_ADAPTER, folder)
    for name in ("manifest.json", REFERENCE, "README.md"):
        (folder / name).unlink()
    return folder


def reconfigured(folder, **changes):
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, **changes}))
    return folder


@pytest.fixture(scope="module")
def tuned(generator):
    return TunedModel(generator, GENERAL_ADAPTER)


@pytest.mark.parametrize("form", ["gguf", "ollama", "merged"])  # the last one takes the adapter out of the model
def test_each_form_acts_as_the_adapter_does(generator, tuned, tmp_path, form):
    effect = FORMATS[form](shipped_adapter(), generator, tuned, tmp_path)
    assert effect.problem is None
    assert effect.expected > 1, "the adapter changes much"
    if form == "gguf":
        assert [path.name for path in tmp_path.iterdir()] == ["general-reading-0-lora.gguf"]
    if form == "ollama":
        file = tmp_path / re.search(r"FROM \./(\S+)", (tmp_path / "Modelfile").read_text())[1]
        assert {tensor.tensor_type.name for tensor in gguf.GGUFReader(file).tensors} == {"Q8_0", "F32"}


def test_an_export_is_imported_again(workspace, store, tmp_path):
    made = export_adapter(workspace, store, SHIPPED, "peft", tmp_path / "out")
    assert made.files == ["README.md", "adapter_config.json", "adapter_model.safetensors", "manifest.json", "reference.json"]
    assert made.effect.difference < 0.001
    assert (tmp_path / "out" / WEIGHTS).read_bytes() == (GENERAL_ADAPTER / WEIGHTS).read_bytes()
    with pytest.raises(InputError, match="holds something already"):
        export_adapter(workspace, store, SHIPPED, "peft", tmp_path / "out")
    again = import_adapter(workspace, store, tmp_path / "out", name="again")
    assert again.manifest["exported"]["fingerprint"] == shipped_adapter().manifest["fingerprint"]


def test_an_export_that_acts_otherwise_is_refused_and_leaves_nothing(workspace, store, tmp_path, monkeypatch):
    def wrong(adapter, base, tuned, target):
        weights = load_file(adapter.folder / WEIGHTS)
        save_file({key: value * 1.3 if "lora_B" in key else value for key, value in weights.items()}, target / WEIGHTS)
        shutil.copy(adapter.folder / "adapter_config.json", target)
        return tuned.effect_of_copy(target)

    monkeypatch.setitem(FORMATS, "peft", wrong)
    with pytest.raises(IncompatibleError, match="was not exported: as peft it changes log-probabilities by"):
        export_adapter(workspace, store, SHIPPED, "peft", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="choose peft, merged, gguf, gguf-merged, ollama"):
        export_adapter(workspace, store, SHIPPED, "onnx", tmp_path / "out")


def test_the_modelfile_writes_prompts_as_training_did(tokenizer):
    text = modelfile_text("m.gguf", tokenizer)
    template = re.search(r'TEMPLATE """(.*?)"""', text, re.DOTALL)[1]
    head, turn, tail = re.fullmatch(r"(.*?)\{\{ range \.Messages \}\}(.*)\{\{ end \}\}(.*)", template, re.DOTALL).groups()
    messages = build_messages("How often?")
    turns = [turn.replace("{{ .Role }}", each["role"]).replace("{{ .Content }}", each["content"]) for each in messages]
    assert tokenizer(head + "".join(turns) + tail, add_special_tokens=False)["input_ids"] == encode_prompt(tokenizer, messages)
    assert f'SYSTEM """{messages[0]["content"]}"""' in text


def test_one_trained_elsewhere_is_registered_with_a_reference_of_its_own(workspace, store, elsewhere, tokenizer):
    reconfigured(elsewhere, base_model_name_or_path="HuggingFaceTB/SmolLM2-135M-Instruct")
    made = import_adapter(workspace, store, elsewhere, name="foreign")
    assert (made.ref, made.stage, made.dataset_id, made.manifest["origin"]) == ("foreign:1", "candidate", "", "import")
    assert made.manifest["settings"]["r"] == 16
    assert [point.prompt for point in read_reference(made.folder)] == probe_prompts(tokenizer)
    assert "imported on" in (made.folder / "README.md").read_text()
    assert import_adapter(workspace, store, elsewhere, name="foreign").ref == "foreign:1", "the same files are the same version"


def test_what_is_foreign_pickled_or_dead_is_refused(workspace, store, elsewhere):
    def refused(words, error=IncompatibleError, **options):
        with pytest.raises(error, match=words):
            import_adapter(workspace, store, elsewhere, name="foreign", **options)

    weights = load_file(elsewhere / WEIGHTS)
    reconfigured(elsewhere, base_model_name_or_path="meta-llama/Llama-3.2-1B")
    refused("names 'meta-llama/Llama-3.2-1B' as its base")
    key = next(name for name in weights if "layers.3.mlp.up_proj.lora_A" in name)
    for tensors, words in (
        ({**weights, key: torch.zeros(16, 77)}, r"has \(1536, 576\) there"),
        ({**weights, "base_model.model.lm_head.weight": torch.zeros(2)}, "no part of a LoRA adapter"),
        ({**weights, key.replace("layers.3", "layers.99"): weights[key].clone()}, "does not have"),
        ({name: value * 0 if "lora_B" in name else value for name, value in weights.items()}, "it changes nothing"),
    ):
        save_file(tensors, elsewhere / WEIGHTS)
        refused(words, other_base_name=True)
    reconfigured(elsewhere, peft_type="IA3")
    refused("only LoRA")
    (elsewhere / WEIGHTS).rename(elsewhere / "adapter_model.bin")
    refused("safe_serialization=True", InputError)
    assert Registry(workspace, store).list() == []


def test_weights_that_were_changed_after_training_are_not_exported(generator, tmp_path):
    shutil.copytree(GENERAL_ADAPTER, tmp_path / "changed")
    weights = load_file(tmp_path / "changed" / WEIGHTS)
    halved = {key: value * 1.5 if "lora_B" in key else value for key, value in weights.items()}
    save_file(halved, tmp_path / "changed" / WEIGHTS)
    with pytest.raises(IncompatibleError, match="does not act on 'smollm2-135m-instruct' as it was trained to"):
        TunedModel(generator, tmp_path / "changed")


def test_the_commands_import_stage_show_and_collect(workspace, elsewhere, tmp_path):
    """In the order of a person's work; a workspace of the test's own, whose files the commands find."""
    here = ["--workspace", workspace.root]
    imported = run_doyen("adapters", "import", elsewhere, "--name", "tried", *here, "--json")
    assert imported.json["adapter"] == "tried:1", imported.err
    weights = load_file(elsewhere / WEIGHTS)
    save_file({name: value * 0.9 if "lora_B" in name else value for name, value in weights.items()}, elsewhere / WEIGHTS)
    assert run_doyen("adapters", "import", elsewhere, "--name", "tried", *here, "--json").json["adapter"] == "tried:2"
    assert run_doyen("adapters", "stage", "tried:2", *here, "--json").json == {"adapter": "tried:2", "stage": "staging"}
    shown = run_doyen("adapters", "show", "tried:staging", *here)
    assert shown.out.startswith("# tried:2")
    assert "in staging" in shown.out
    assert run_doyen("adapters", "show", "tried:2", *here, "--json").json["in_use"] == ["in staging", "the newest of 'tried'"]
    trial = run_doyen("adapters", "gc", *here)
    assert "tried:1" in trial.out
    assert "would be freed" in trial.out
    assert list(run_doyen("adapters", "gc", "--yes", *here, "--json").json["removable"]) == ["tried:1"]
    listed = run_doyen("adapters", "list", *here, "--json").json
    assert [(each["adapter"], each["stage"]) for each in listed] == [("tried:2", "staging")]
    refused = run_doyen("adapters", "export", "tried:2", "--format", "onnx", "--out", tmp_path / "out", *here)
    assert refused.code != 0
    assert "is no form of an adapter" in refused.err
