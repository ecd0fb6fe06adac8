"""How fast documents become searchable: Doyen against llama-index's own pipeline, same embedder, same run.

    python benchmarks/ingestion_speed.py --documents ../shared/data/covidqa/documents [--limit 20] [--repeats 2]

Both sides read the files, cut them, embed every piece and store it in an embedded Chroma on disk. llama-index runs as its
documentation shows it: SimpleDirectoryReader, IngestionPipeline with SentenceSplitter and an embedding class that does
what llama-index-embeddings-huggingface does (sentence-transformers, batches of 10), ChromaVectorStore. Its chunks are
256 tokens with the default's share of overlap (a fifth): that is what fits the embedder's window, so that both sides
embed the whole text. With its default of 1,024 tokens three quarters of each chunk are cut off unseen at the window;
that run is shown as well, with the share of the text that it embeds, and is no comparison of equals. Doyen also does
what llama-index does not: near-duplicate detection, offsets and versions in the store, and the lexical index.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from doyen.core.models import resolve_embedder, torch_dtype
from doyen.core.store import open_store
from doyen.core.workspace import create_workspace
from doyen.platform.documents import ingest_documents
from doyen.retrieval.embedder import open_embedder

EMBEDDER = "all-minilm-l6-v2"
FITTING = (256, 51)
DEFAULT = (1024, 200)
RATIO_BAR = 2.5


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
    ratio = min(value for name, value in result["ratios"].items() if name.startswith("llama-index 256"))
    print(
        f"Doyen ingests {ratio:.2f} times as fast as the faster llama-index with chunks that fit its window (bar {RATIO_BAR})"
    )
    if torch_dtype("auto") == torch.float32:
        print("This processor has no fast bfloat16, from which most of the advantage comes.")
    if "llama-index 1024" in result["ratios"]:
        share = "a quarter of the text embedded"
        print(f"and {result['ratios']['llama-index 1024']:.2f} times as fast as its default of 1,024-token chunks ({share})")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return int(ratio < RATIO_BAR)


if __name__ == "__main__":
    sys.exit(main())
