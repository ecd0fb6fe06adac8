"""The settings choose the engine; what cannot work is told at once."""

from __future__ import annotations

import pytest

from doyen.core.errors import ModelMissing, SettingsError
from doyen.core.workspace import Workspace
from doyen.platform.serving.engines import open_engine
from doyen.platform.serving.engines.llamacpp import LlamaCppEngine
from doyen.platform.serving.engines.openai import OpenAIEngine
from doyen.platform.serving.engines.transformers_engine import TransformersEngine


def with_serving(workspace: Workspace, text: str) -> Workspace:
    (workspace.root / "doyen.toml").write_text(f"[serving]\n{text}\n")
    return Workspace(workspace.root)


def test_openai_needs_its_url(workspace):
    with pytest.raises(SettingsError, match="openai_url"):
        open_engine(with_serving(workspace, 'engine = "openai"'))


def test_openai_needs_no_model_files(workspace):
    text = 'engine = "openai"\nmodel = "served-elsewhere"\nopenai_url = "http://127.0.0.1:1/v1"'
    engine = open_engine(with_serving(workspace, text))
    assert isinstance(engine, OpenAIEngine)
    assert (engine.model, engine.base_sha256) == ("served-elsewhere", "")


@pytest.mark.parametrize("name", ["llamacpp", "transformers"])
def test_a_missing_model_is_told(workspace, name):
    with pytest.raises(ModelMissing, match="no-such-model"):
        open_engine(with_serving(workspace, f'engine = "{name}"\nmodel = "no-such-model"'))


@pytest.mark.model
def test_the_default_is_llamacpp(workspace, generator):
    assert isinstance(open_engine(workspace), LlamaCppEngine)
    reference = open_engine(with_serving(workspace, 'engine = "transformers"'))
    assert isinstance(reference, TransformersEngine)
    assert reference.base_sha256 == generator.sha256
