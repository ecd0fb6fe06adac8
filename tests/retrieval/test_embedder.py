"""The embedder against sentence-transformers, the library whose models it runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from doyen.platform.core.errors import ModelMissing
from doyen.platform.core.models import resolve_embedder
from doyen.platform.core.settings import RetrievalSettings
from doyen.retrieval.embedder import Embedder, open_embedder

pytestmark = pytest.mark.model

TEXTS = [
    "The filter is replaced every 14 months.",
    "",
    "Wie oft wird der Filter gewechselt?",
    "E-17 | pressure too low | open the valve\n" * 12,
    "long text " * 400,
    "The filter is replaced every 14 months.",
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return open_embedder(RetrievalSettings())


def test_equals_sentence_transformers(embedder: Embedder) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(resolve_embedder("all-minilm-l6-v2")[0]), device="cpu")
    expected = reference.encode(TEXTS, normalize_embeddings=True)
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dim) == (6, 384)
    assert vectors.dtype == np.float32
    assert (vectors * expected).sum(axis=1).min() >= 0.996


def test_vectors_have_unit_length_and_do_not_depend_on_company(embedder: Embedder) -> None:
    together = embedder.encode(TEXTS)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([embedder.encode([text]) for text in TEXTS])
    assert (together * alone).sum(axis=1).min() >= 0.999
    assert np.array_equal(together[0], together[5])
    assert embedder.encode([]).shape == (0, 384)


def test_the_same_embedder_is_shared() -> None:
    assert open_embedder(RetrievalSettings()) is open_embedder(RetrievalSettings())


def test_unknown_pooling_is_refused(tmp_path: Path) -> None:
    folder, _ = resolve_embedder("all-minilm-l6-v2")
    copy = Path(shutil.copytree(folder, tmp_path / "model"))
    config = {"pooling_mode_mean_tokens": False, "pooling_mode_max_tokens": True}
    (copy / "1_Pooling" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelMissing, match="pooling_mode_max_tokens"):
        open_embedder(RetrievalSettings(embedder=str(copy)))
