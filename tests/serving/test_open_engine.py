"""The settings choose the engine; what cannot work is told at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from doyen import Doyen
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


GUIDE = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")
PARROT = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1]
ENTRY_POINTS = re.search(r"```toml\n\[project\.entry-points\S+\n(.*?)```", GUIDE, re.DOTALL)[1].replace('"', "")


@pytest.fixture
def parrot(tmp_path, monkeypatch):
    """The package of the guide, as pip installs it."""
    site = tmp_path / "site"
    (site / "parrot-1.0.dist-info").mkdir(parents=True)
    (site / "parrot.py").write_text(PARROT)
    (site / "parrot-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: parrot\nVersion: 1.0\n")
    (site / "parrot-1.0.dist-info" / "entry_points.txt").write_text(f"[doyen.engines]\n{ENTRY_POINTS}")
    monkeypatch.syspath_prepend(str(site))


def test_another_package_may_add_an_engine(workspace, store, parrot):
    chosen = with_serving(workspace, 'engine = "parrot"\nmodel = "grey"')
    with Doyen(chosen, store=store) as doyen:
        answer = doyen.ask("Which colour has Polly?", "base")
    assert (answer.answer, answer.model) == ("Polly is blue.", "grey")


def test_an_engine_that_nobody_adds_is_a_mistake_in_the_settings(workspace, parrot):
    with pytest.raises(SettingsError, match=r"serving\.engine.*'openai', 'parrot'.*found 'macaw'"):
        open_engine(with_serving(workspace, 'engine = "macaw"'))
