"""The settings choose retriever and reranker, also those of other packages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from doyen import Doyen
from doyen.core.errors import SettingsError
from doyen.core.settings import load_settings
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.retrieval.chosen import open_retriever
from doyen.retrieval.opening import OpenIndex

QUESTION = "How often is the inlet filter of the pump replaced?"
GUIDE = (Path(__file__).parents[2] / "docs" / "retrieval.md").read_text(encoding="utf-8")
CODE = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1]
ENTRY_POINTS = re.search(r"```toml\n(.*?)```", GUIDE, re.DOTALL)[1]


@pytest.fixture
def another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package of the guide, as pip installs it."""
    site = tmp_path / "site"
    (site / "bilingual-1.0.dist-info").mkdir(parents=True)
    (site / "bilingual.py").write_text(CODE)
    (site / "bilingual-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: bilingual\nVersion: 1.0\n")
    lines = re.sub(r"project\.entry-points\.", "", ENTRY_POINTS).replace('"', "")
    (site / "bilingual-1.0.dist-info" / "entry_points.txt").write_text(lines)
    monkeypatch.syspath_prepend(str(site))


@pytest.fixture
def choose(company: tuple[Workspace, Store], monkeypatch: pytest.MonkeyPatch):
    """Open the company's workspace with other settings."""
    workspace, store = company

    def opened(**chosen: str) -> Doyen:
        for name, value in chosen.items():
            monkeypatch.setenv(f"DOYEN_RETRIEVAL__{name.upper()}", value)
        return Doyen(Workspace(workspace.root), store=store)

    return opened


@pytest.mark.model
def test_words_alone_need_no_embedder(choose, monkeypatch):
    monkeypatch.setattr(OpenIndex, "embedder", property(lambda _: pytest.fail("the embedder is loaded")))
    found = choose(retriever="lexical").search(QUESTION, 3).passages
    assert found[0].source.endswith("pump.md")
    assert {passage.signals["dense"] for passage in found} == {0.0}


@pytest.mark.model
def test_meaning_alone(choose):
    found = choose(retriever="dense").search("When must I exchange the strainer at the pump's entry?", 3).passages
    assert found[0].source.endswith("pump.md")
    assert {passage.signals["lexical_share"] for passage in found} == {0.0}
    assert found[0].signals["dense"] > 0.3


@pytest.mark.model
def test_the_retriever_of_another_package(choose, another_package, company):
    found = choose(retriever="bilingual").retriever.retrieve("Pumpe Filter replaced", 2)
    assert found == open_retriever(*company).retrieve("pump filter replaced", 2)


@pytest.mark.model
def test_the_reranker_of_another_package_orders_more_than_it_returns(choose, another_package, company):
    doyen = choose(reranker="shortest")
    index = open_retriever(*company)
    texts = [passage.text for passage in index.retrieve(QUESTION, doyen.settings.serving.read_passages)]
    assert [passage.text for passage in doyen.search(QUESTION, 2).passages] == sorted(texts, key=len)[:2]
    assert doyen.retriever.n_chunks == index.n_chunks
    assert doyen.retriever.problem is None
    assert doyen.retriever.retrieve(QUESTION, 0) == []


@pytest.mark.parametrize(
    ("setting", "known"), [("retriever", "'lexical', 'dense', 'bilingual'"), ("reranker", "'none', 'shortest'")]
)
def test_a_choice_that_nobody_offers_is_a_mistake_in_the_settings(tmp_path, another_package, setting, known):
    file = tmp_path / "doyen.toml"
    file.write_text(f'[retrieval]\n{setting} = "magic"\n')
    with pytest.raises(SettingsError, match=rf"retrieval\.{setting}.*{known} \(found 'magic'\)"):
        load_settings(file, {})
