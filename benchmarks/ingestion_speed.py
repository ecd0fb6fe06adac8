"""How fast documents become searchable: Doyen against llama-index, txtai and Haystack, same embedder and dtype, same run.

    python benchmarks/ingestion_speed.py --documents ../shared/data/covidqa/documents [--limit 20] [--repeats 2]

Both sides read the files, cut them, embed every piece and store it in an embedded Chroma on disk. llama-index runs as its
documentation shows it: SimpleDirectoryReader, IngestionPipeline with SentenceSplitter and an embedding class that does
what llama-index-embeddings-huggingface does (sentence-transformers, batches of 10), ChromaVectorStore. Its chunks are
256 tokens with the default's share of overlap (a fifth): that is what fits the embedder's window, so that both sides
embed the whole text. With its default of 1,024 tokens three quarters of each chunk are cut off unseen at the window;
that run is shown as well, with the share of the text that it embeds, and is no comparison of equals. txtai and Haystack run
where they are installed (`pip install 'doyen[compare]'`), with their own batches of 32 and chunks of as many words: txtai's
Embeddings with content, saved to disk; Haystack's converter, splitter and writer around the same model, into its store in
memory. Doyen also does what none of them does: near-duplicate detection, offsets and versions in the store, and the lexical
index.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from doyen.core.models import resolve_embedder, torch_dtype
from doyen.core.store import open_store
from doyen.core.workspace import create_workspace
from doyen.platform.documents import ingest_documents
from doyen.retrieval.embedder import open_embedder

EMBEDDER = "all-minilm-l6-v2"
os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")
FITTING = (256, 51)
DEFAULT = (1024, 200)
WORDS = 180
"""Words a chunk of txtai and Haystack: about 256 tokens."""
RATIO_BAR = 1.3
"""At the same dtype. Where the processor has fast bfloat16: `DEFAULTS_BAR` against the others as they come."""
DEFAULTS_BAR = 2.5


def doyen(documents: Path, folder: Path) -> int:
    """Ingest and index with Doyen; return the number of chunks."""
    workspace = create_workspace(folder / "space", "speed")
    store = open_store(workspace)
    report = ingest_documents(workspace, store, [documents])
    store.close()
    assert not report.failed, report.failed
    return report.n_chunks


def make_llama_index(chunk_size: int, overlap: int, *, bfloat16: bool = False) -> Callable[[Path, Path], int]:
    """Return a function that ingests with llama-index and returns the number of chunks; the model is loaded already."""
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.node_parser import SentenceSplitter
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(resolve_embedder(EMBEDDER)[0]), device="cpu")
    model = model.to(torch.bfloat16) if bfloat16 else model

    class HuggingFaceEmbedding(BaseEmbedding):
        """What llama-index-embeddings-huggingface does with a local model."""

        def _encode(self, texts: list[str]) -> list[list[float]]:
            return model.encode(texts, batch_size=self.embed_batch_size, normalize_embeddings=True).tolist()

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._encode([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return self._encode(texts)

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._encode([query])[0]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

    def run(documents: Path, folder: Path) -> int:
        import chromadb
        from chromadb.config import Settings
        from llama_index.core import SimpleDirectoryReader
        from llama_index.core.ingestion import IngestionPipeline
        from llama_index.vector_stores.chroma import ChromaVectorStore

        client = chromadb.PersistentClient(str(folder / "chroma"), settings=Settings(anonymized_telemetry=False))
        collection = client.create_collection("speed", embedding_function=None)
        pipeline = IngestionPipeline(
            transformations=[SentenceSplitter(chunk_size=chunk_size, chunk_overlap=overlap), HuggingFaceEmbedding()],
            vector_store=ChromaVectorStore(chroma_collection=collection),
        )
        return len(pipeline.run(documents=SimpleDirectoryReader(str(documents)).load_data()))

    return run


def make_txtai() -> Callable[[Path, Path], int]:
    """Return a function that ingests with txtai; the model is loaded already."""
    from txtai import Embeddings

    settings = {"path": str(resolve_embedder(EMBEDDER)[0]), "method": "sentence-transformers", "content": True, "gpu": False}
    models = Embeddings(settings).model

    def run(documents: Path, folder: Path) -> int:
        embeddings = Embeddings(settings)
        embeddings.model = models
        pieces = [piece for path in sorted(documents.iterdir()) for piece in _pieces(path.read_text(encoding="utf-8"))]
        embeddings.index(pieces)
        embeddings.save(str(folder / "txtai"))
        embeddings.close()
        return len(pieces)

    return run


def make_haystack() -> Callable[[Path, Path], int]:
    """Return a function that ingests with Haystack; the model is loaded already."""
    from haystack import Document, Pipeline, component
    from haystack.components.converters import TextFileToDocument
    from haystack.components.preprocessors import DocumentSplitter
    from haystack.components.writers import DocumentWriter
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(resolve_embedder(EMBEDDER)[0]), device="cpu")

    @component
    class DocumentEmbedder:
        """What Haystack's embedder of sentence-transformers does."""

        def __init__(self) -> None:
            # Haystack reads types from annotations, which are texts in this module.
            component.set_input_type(self, "documents", list[Document])
            component.set_output_types(self, documents=list[Document])

        def run(self, **given: Any) -> dict[str, Any]:
            documents = given["documents"]
            vectors = model.encode([each.content for each in documents], batch_size=32, normalize_embeddings=True)
            return {"documents": [replace(each, embedding=row.tolist()) for each, row in zip(documents, vectors, strict=True)]}

    def run(documents: Path, _folder: Path) -> int:
        store = InMemoryDocumentStore()
        pipeline = Pipeline()
        pipeline.add_component("read", TextFileToDocument())
        pipeline.add_component("split", DocumentSplitter(split_by="word", split_length=WORDS, split_overlap=WORDS // 5))
        pipeline.add_component("embed", DocumentEmbedder())
        pipeline.add_component("write", DocumentWriter(document_store=store))
        for first, second in pairwise(["read", "split", "embed", "write"]):
            pipeline.connect(first, second)
        pipeline.run({"read": {"sources": sorted(documents.iterdir())}})
        return int(store.count_documents())

    return run


def _pieces(text: str) -> list[str]:
    """Return a text in pieces of `WORDS` words, a fifth of which is shared with the next one."""
    words = text.split()
    step = WORDS - WORDS // 5
    return [" ".join(words[start : start + WORDS]) for start in range(0, max(1, len(words) - WORDS // 5), step)]


def timed(run: Callable[[Path, Path], int], documents: Path) -> tuple[float, int]:
    """Return seconds and chunks of one run into a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        chunks = run(documents, Path(folder))
        return time.perf_counter() - began, chunks


def sample(source: Path, target: Path, limit: int | None) -> int:
    """Copy every n-th document; return the bytes copied."""
    files = sorted(path for path in source.iterdir() if path.is_file())
    for path in files[:: max(1, len(files) // limit)] if limit else files:
        shutil.copy(path, target)
    return sum(path.stat().st_size for path in target.iterdir())


def compare(documents: Path, repeats: int, *, with_default: bool) -> dict[str, Any]:
    """Time all sides, taking turns, and return the medians and ratios."""
    from doyen.core.settings import RetrievalSettings

    open_embedder(RetrievalSettings()).encode(["warm up"])
    sides: dict[str, Callable[[Path, Path], int]] = {"doyen": doyen, "llama-index 256": make_llama_index(*FITTING)}
    for name, make in (("txtai", make_txtai), ("haystack", make_haystack)):
        if find_spec(name):
            sides[name] = make()
        else:
            print(f"{name} is left out: it is not installed")
    if torch_dtype("auto") == torch.bfloat16:  # what anybody could switch on is no advantage of ours
        sides["llama-index 256 bfloat16"] = make_llama_index(*FITTING, bfloat16=True)
    if with_default:
        sides["llama-index 1024"] = make_llama_index(*DEFAULT)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    chunks: dict[str, int] = {}
    for turn in range(repeats):
        for name, run in sides.items() if turn % 2 == 0 else reversed(sides.items()):
            taken, chunks[name] = timed(run, documents)
            seconds[name].append(taken)
            print(f"  {name}: {taken:.1f} s, {chunks[name]} chunks", flush=True)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = {name: medians[name] / medians["doyen"] for name in sides if name != "doyen"}
    return {"seconds": seconds, "chunks": chunks, "ratios": ratios}


def main(arguments: Iterable[str] | None = None) -> int:
    """Run the comparison and print it; return 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, default=Path("../shared/data/covidqa/documents"))
    parser.add_argument("--limit", type=int, help="about so many documents, evenly chosen")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--with-default", action="store_true", help="also run llama-index's default of 1,024 tokens")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args(list(arguments) if arguments is not None else None)
    with tempfile.TemporaryDirectory() as temporary:
        documents = Path(temporary) / "documents"
        documents.mkdir()
        size = sample(options.documents, documents, options.limit)
        print(f"{len(list(documents.iterdir()))} documents, {size / 1e6:.2f} MB")
        result = compare(documents, options.repeats, with_default=options.with_default)
    for name, values in result["seconds"].items():
        print(f"{name:18s} {statistics.median(values):7.1f} s   {size / 1000 / statistics.median(values):7.1f} kB/s")
    fast = torch_dtype("auto") == torch.bfloat16
    passed = [bar(name, value, fast=fast) for name, value in result["ratios"].items() if name != "llama-index 1024"]
    if not fast:
        print("This processor has no fast bfloat16, from which most of the advantage comes.")
    if "llama-index 1024" in result["ratios"]:
        share = "a quarter of the text embedded"
        print(f"and {result['ratios']['llama-index 1024']:.2f} times as fast as its default of 1,024-token chunks ({share})")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return int(not all(passed))


def bar(name: str, ratio: float, *, fast: bool) -> bool:
    """Print how many times as fast Doyen is, and return whether that reaches its bar.

    Args:
        fast: whether Doyen embeds in bfloat16, which the others do not by themselves.
    """
    least = DEFAULTS_BAR if fast and not name.endswith("bfloat16") else RATIO_BAR
    print(f"Doyen is {ratio:.2f} times as fast as {name} (bar {least:g}: {'passed' if ratio >= least else 'MISSED'})")
    return ratio >= least


if __name__ == "__main__":
    sys.exit(main())
