"""The embedder against sentence-transformers, the library whose models it runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from doyen.core.errors import ModelMissing
from doyen.core.models import resolve_embedder
from doyen.core.settings import RetrievalSettings
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


def test_layers_that_are_not_run_are_refused(tmp_path: Path) -> None:
    folder, _ = resolve_embedder("all-minilm-l6-v2")
    copy = Path(shutil.copytree(folder, tmp_path / "model"))
    modules = json.loads((copy / "modules.json").read_text(encoding="utf-8"))
    dense = {"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"}
    (copy / "modules.json").write_text(json.dumps([*modules, dense]), encoding="utf-8")
    with pytest.raises(ModelMissing, match="Dense"):
        open_embedder(RetrievalSettings(embedder=str(copy)))


@pytest.mark.parametrize("imported", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["cold", "transformers imported"])
def test_eight_threads_load_it_and_the_engine_once(imported: bool) -> None:
    """In a fresh process, as after `doyen serve`: nothing is loaded, and all ask at once."""
    script = f"""
import sys, threading, torch
if {imported}:
    from transformers import AutoConfig, AutoModel, AutoTokenizer
import numpy as np
from doyen.core.models import resolve_generator
from doyen.core.settings import RetrievalSettings
from doyen.platform.serving.engines.protocol import GenerationRequest, complete
from doyen.platform.serving.engines.transformers_engine import TransformersEngine
from doyen.retrieval.embedder import open_embedder
engine = TransformersEngine(resolve_generator("smollm2-135m-instruct"))
request = GenerationRequest([{{"role": "user", "content": "Say hello."}}], max_tokens=2)
errors, made, vectors, texts, gate = [], [], [], [], threading.Barrier(8)
def work(number):
    try:
        gate.wait()
        if number % 4 == 3:
            texts.append(complete(engine, request).text)
        else:
            made.append(open_embedder(RetrievalSettings()))
            vectors.append(made[-1].encode(["relief valve"], "query"))
    except BaseException as error:
        errors.append(f"{{type(error).__name__}}: {{error}}")
threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert not errors, errors
assert len(made) == 6 and len(set(map(id, made))) == 1, made
assert all(np.allclose(vector, vectors[0], atol=1e-3) for vector in vectors)
assert len(texts) == 2 and len(set(texts)) == 1, texts
assert torch.get_default_dtype() is torch.float32
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_failed_load_is_tried_again(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(resolve_embedder("all-minilm-l6-v2")[0], tmp_path / "model"))
    tokenizer = (copy / "tokenizer.json").read_bytes()
    (copy / "tokenizer.json").write_bytes(b"{")
    (copy / "vocab.txt").unlink(missing_ok=True)
    settings = RetrievalSettings(embedder=str(copy))
    with pytest.raises(Exception, match=r"."):
        open_embedder(settings)
    (copy / "tokenizer.json").write_bytes(tokenizer)
    assert open_embedder(settings).encode(["filter"]).shape == (1, 384)
