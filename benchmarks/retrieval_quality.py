"""How often retrieval finds the whole answer on COVID-QA: all questions against all documents, and how long it takes.

    python benchmarks/retrieval_quality.py --data ../shared/data/covidqa [--workspace DIR]

Prints, for the product and for BM25 (bm25s, stemmed) on ingestion's own chunks: the share of questions whose answer span
lies whole in a passage among the first 3, 5 and 10, and within the first 700 and 1,400 words of passages ("joined"
also counts a span that lies across passages that touch); latency; and the same for two halves of the documents, since
what was chosen on one half has to hold on the other. A workspace that is given is kept and used again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
from covidqa import load_items
from sqlalchemy import select

from doyen.core.progress import Terminal
from doyen.core.store import Store, open_store
from doyen.core.store.schema import ChunkRow, DocumentRow
from doyen.core.workspace import create_workspace, find_workspace
from doyen.platform.documents import ingest_documents
from doyen.retrieval.chosen import open_retriever

PASSAGES = 25
BUDGETS = (700, 1400)
BARS = {"700 words": 0.74, "1400 words": 0.81}
"""Shares of the questions whose answer must lie whole in one of the passages within so many words."""


@dataclass(frozen=True)
class Found:
    """A passage as the measurement needs it."""

    document: str
    start: int
    end: int
    words: int


Search = Callable[[str], Sequence[Found]]


def measure(items: Sequence[dict[str, Any]], search: Search) -> tuple[dict[str, np.ndarray], list[float]]:
    """Return 0/1 by measure and question, and seconds by question."""
    hits: dict[str, list[bool]] = {}
    seconds = []
    for item in items:
        began = time.perf_counter()
        found = search(item["question"])
        seconds.append(time.perf_counter() - began)
        for name, value in judge(item, found).items():
            hits.setdefault(name, []).append(value)
    return {name: np.array(values, float) for name, values in hits.items()}, seconds


def judge(item: dict[str, Any], found: Sequence[Found]) -> dict[str, bool]:
    """Return which measures a ranking satisfies."""
    start, end = item["answer_start"], item["answer_start"] + len(item["answer"])
    own = [f.document == str(item["document_id"]) for f in found]
    whole = [mine and f.start <= start and end <= f.end for mine, f in zip(own, found, strict=True)]
    used = np.cumsum([f.words for f in found])
    result = {f"@{k}": any(whole[:k]) for k in (3, 5, 10)}
    for budget in BUDGETS:
        inside = used <= budget
        result[f"{budget} words"] = bool(np.any(np.array(whole) & inside))
        spans = sorted((f.start, f.end) for f, mine, fits in zip(found, own, inside, strict=True) if mine and fits)
        result[f"{budget} joined"] = covered(spans, start, end)
    return result


def covered(spans: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Return whether spans that touch (one white space apart) cover a stretch."""
    reach = None
    for first, last in spans:
        if reach is None or first > reach[1] + 2:
            reach = (first, last)
        reach = (reach[0], max(reach[1], last))
        if reach[0] <= start and end <= reach[1]:
            return True
    return False


def bm25_baseline(store: Store) -> Search:
    """Return a search over ingestion's chunks with bm25s, as its documentation shows it."""
    import bm25s
    import Stemmer

    with store.session() as session:
        rows = session.execute(select(ChunkRow, DocumentRow.source).join(DocumentRow)).all()
    chunks = [Found(Path(source).stem, row.start, row.end, len(row.text.split())) for row, source in rows]
    stemmer = Stemmer.Stemmer("english")
    index = bm25s.BM25()
    index.index(
        bm25s.tokenize([row.text for row, _ in rows], stopwords="en", stemmer=stemmer, show_progress=False), show_progress=False
    )

    def search(question: str) -> list[Found]:
        query = bm25s.tokenize(question, stopwords="en", stemmer=stemmer, show_progress=False)
        found, _ = index.retrieve(query, k=min(PASSAGES, len(chunks)), show_progress=False)
        return [chunks[number] for number in found[0]]

    return search


def show(name: str, hits: dict[str, np.ndarray], seconds: list[float], side: np.ndarray) -> dict[str, Any]:
    """Print one line for each measure; return the figures."""
    p50, p95 = np.percentile(seconds, [50, 95]) * 1000
    print(f"\n{name}: {len(seconds)} questions, latency p50 {p50:.1f} ms, p95 {p95:.1f} ms")
    for measure_name, values in hits.items():
        print(f"  {measure_name:12s} {values.mean():.4f}   halves {values[side].mean():.4f} {values[~side].mean():.4f}")
    return {"p50_ms": p50, "p95_ms": p95, **{key: float(values.mean()) for key, values in hits.items()}}


def main() -> int:
    """Index the documents, ask all questions, print the figures; return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/covidqa"))
    parser.add_argument("--workspace", type=Path, help="default: a temporary one")
    parser.add_argument("--limit", type=int, help="ask every n-th question only, so that about so many remain")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.workspace or Path(temporary) / "space"
        workspace = find_workspace(root) if (root / "doyen.toml").is_file() else create_workspace(root, "covidqa")
        store = open_store(workspace)
        ingest_documents(workspace, store, [arguments.data / "documents"], reporter=Terminal())
        retriever = open_retriever(workspace, store)
        retriever.retrieve("warm up", 1)
        items = load_items(arguments.data)
        items = items[:: max(1, len(items) // arguments.limit)] if arguments.limit else items
        side = np.array([int(md5(str(item["document_id"]).encode()).hexdigest(), 16) % 2 == 0 for item in items])

        def product(question: str) -> list[Found]:
            passages = retriever.retrieve(question, PASSAGES)
            return [Found(Path(p.source).stem, p.start, p.end, len(p.text.split())) for p in passages]

        figures = {"bm25s on chunks": show("bm25s on chunks", *measure(items, bm25_baseline(store)), side)}
        figures["doyen"] = show("doyen", *measure(items, product), side)
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        store.close()
    for name, bar in BARS.items():
        print(f"within {name}: {figures['doyen'][name]:.3f} (bar {bar})")
    return int(any(figures["doyen"][name] < bar for name, bar in BARS.items()))


if __name__ == "__main__":
    sys.exit(main())
