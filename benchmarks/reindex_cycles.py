"""Whether 50 cycles of reindexing leave query time and disk size as they were; the bars are 10% of change.

    python benchmarks/reindex_cycles.py --documents 600 --cycles 50

A workspace is made here from sentences of random words and indexed by the real embedder and the real Chroma, and a copy of it
is kept. Two kinds of cycle are measured. In an *update* a fiftieth of the documents changes, and is read and indexed again;
texts change to and fro, because the workspace keeps each version of a text. A *rebuild* writes the whole index anew. Queries
ask copy and workspace by turns, so that other work on the machine slows both.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from doyen.core.store import open_store
from doyen.core.workspace import Workspace, create_workspace
from doyen.platform.documents import ingest_documents
from doyen.retrieval.chosen import open_retriever
from doyen.retrieval.index import rebuild_index

BAR = 0.10
QUERIES = 120
WORDS = 40
SHARE = 50
"""One document in so many changes in an update."""


def main() -> int:
    """Print sizes and times; return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=600)
    parser.add_argument("--cycles", type=int, default=50)
    arguments = parser.parse_args()
    missed = []
    with tempfile.TemporaryDirectory() as place:
        corpus = Corpus(Path(place) / "documents", arguments.documents)
        workspace = create_workspace(Path(place) / "space")
        _ingest(workspace, corpus)
        # Both texts of each document are in the workspace before anything is compared.
        for number in range(SHARE):
            corpus.change(number)
        _ingest(workspace, corpus)
        _rebuild(workspace)
        for name, cycle in (("update", _update), ("rebuild", lambda space, *_: _rebuild(space))):
            before = Workspace(Path(shutil.copytree(workspace.root, Path(place) / f"before-{name}")))
            sizes = []
            for number in range(arguments.cycles):
                cycle(workspace, corpus, number)
                sizes.append(size_of(workspace))
            missed += report(name, before, workspace, sizes)
    return int(bool(missed))


class Corpus:
    """Documents of random words, each with two texts that it changes between."""

    def __init__(self, folder: Path, count: int) -> None:
        source = random.Random(count)
        words = [f"word{number}" for number in range(20_000)]
        self.folder, self.words = folder, words
        self._texts = [[" ".join(source.choices(words, k=WORDS)) + "." for _ in range(2)] for _ in range(count)]
        self._shown = [0] * count
        folder.mkdir()
        for document in range(count):
            self._write(document)

    def change(self, cycle: int) -> None:
        """Give each SHARE-th document, another set with each cycle, its other text."""
        for document in range(cycle % SHARE, len(self._texts), SHARE):
            self._shown[document] = 1 - self._shown[document]
            self._write(document)

    def _write(self, document: int) -> None:
        (self.folder / f"{document}.txt").write_text(self._texts[document][self._shown[document]], encoding="utf-8")


def _ingest(workspace: Workspace, corpus: Corpus) -> None:
    store = open_store(workspace)
    ingest_documents(workspace, store, [corpus.folder])
    store.close()


def _rebuild(workspace: Workspace) -> None:
    store = open_store(workspace)
    with workspace.lock("the benchmark"):
        rebuild_index(workspace, store)
    store.close()


def _update(workspace: Workspace, corpus: Corpus, cycle: int) -> None:
    corpus.change(cycle)
    _ingest(workspace, corpus)


def size_of(workspace: Workspace) -> tuple[int, int]:
    """Return the bytes of the index, and of all that the workspace holds."""
    files = [path for path in workspace.state.rglob("*") if path.is_file()]
    index = sum(path.stat().st_size for path in files if path.is_relative_to(workspace.index_folder))
    return index, sum(path.stat().st_size for path in files)


def report(name: str, before: Workspace, after: Workspace, sizes: list[tuple[int, int]]) -> list[str]:
    """Print what a kind of cycle has changed; return the figures that miss the bar."""
    missed = []
    for part, what in enumerate(("index", "workspace")):
        old, new, most = size_of(before)[part], sizes[-1][part], max(each[part] for each in sizes)
        missed += _judge(f"{name}: {what} on disk, MB", old / 1e6, new / 1e6, f"at most {most / 1e6:.1f} in between")
    old_ms, new_ms = query_ms(before, after)
    return missed + _judge(f"{name}: query p50, ms", old_ms, new_ms, f"{QUERIES} queries")


def query_ms(*workspaces: Workspace) -> list[float]:
    """Return the median milliseconds of a query in each workspace; they are asked by turns."""
    source = random.Random(5)
    queries = [" ".join(f"word{source.randrange(20_000)}" for _ in range(6)) for _ in range(QUERIES)]
    stores = [open_store(workspace) for workspace in workspaces]
    retrievers = [open_retriever(workspace, store) for workspace, store in zip(workspaces, stores, strict=True)]
    taken: list[list[float]] = [[] for _ in workspaces]
    for query in [*queries[:10], *queries]:  # the first ones load what they need
        for number, retriever in enumerate(retrievers):
            started = time.perf_counter()
            retriever.retrieve(query, 5)
            taken[number].append((time.perf_counter() - started) * 1000)
    for store in stores:
        store.close()
    return [statistics.median(each[10:]) for each in taken]


def _judge(what: str, old: float, new: float, note: str) -> list[str]:
    change = new / old - 1
    verdict = "missed" if abs(change) > BAR else "passed"
    print(f"{what}: {old:.2f} before, {new:.2f} after: {change:+.1%} ({note}; bar {BAR:.0%} {verdict})", flush=True)
    return [what] if verdict == "missed" else []


if __name__ == "__main__":
    sys.exit(main())
