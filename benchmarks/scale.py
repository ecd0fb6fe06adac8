"""Whether Doyen stays as fast at 100,000 chunks as at 3,000: queries, small updates, reindexing, and the size on disk.

    python benchmarks/scale.py --small 3000 --large 100000 [--keep DIR] [--json FILE]

Queries are asked by the owner, by callers who may read two documents in three and one in fifty, with a reader over eight
passages, and such that look into the index twice, because an older version of a document was found without the newest one.

The texts are made here: words of a Zipf distribution (the commonest are English stop words), documents of log-normal
length, mean 1,300 words. They are read, cut, stored and indexed by the product's own code, with one exception: vectors are
not computed by the embedder but are sums of a random vector for each word, so that 100,000 chunks take minutes instead of
hours. Queries are the rarer words of a sentence of the corpus among common words. A machine that others use too shows in
the wall clock, so processor time is printed beside it, and the bars are on the lower of the two.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from doyen.core.access import OWNER, Access
from doyen.core.models import resolve_embedder
from doyen.core.store import Store, open_store
from doyen.core.store.document_access import Assigned
from doyen.core.store.schema import DocumentRow
from doyen.core.workspace import Workspace, create_workspace, find_workspace
from doyen.finetune.registry import Registry
from doyen.ingestion.chunk import Chunk
from doyen.ingestion.document import ParsedDocument
from doyen.ingestion.document_store import Prepared, write_document
from doyen.ingestion.duplicates import PERMUTATIONS
from doyen.ingestion.ingest import settle_near_groups
from doyen.platform.documents import upload_document
from doyen.platform.serving.reading import reader_opener
from doyen.retrieval.chosen import AnyRetriever, open_retriever
from doyen.retrieval.embedder import Embedder
from doyen.retrieval.index import update_index
from doyen.retrieval.tokens import STOPWORDS

VOCABULARY = 200_000
ZIPF = 1.05
QUERIES = 300
PASSAGES = 8
UPLOADS = 8
CYCLES = 50
BARS = {"p50_ms": 30.0, "p95_ms": 80.0}
"""Of queries that nothing is read for, whoever asks."""
READ_BAR = 300.0
"""Milliseconds of the median query with the reader."""
UPLOAD_BAR = 0.5
"""Seconds of processor time."""
READ_QUERIES = 40
GROUPS = 50
"""Each document has one of so many groups."""
CALLERS = {
    "two documents in three": Access(groups=frozenset(f"g{number}" for number in range(GROUPS * 2 // 3))),
    "one document in fifty": Access(groups=frozenset({"g0"})),
}
READING, TWICE = "with the reader", "looking twice"
GROWTH = 1.1
"""Of a query's time and of the index's size over all cycles."""


@dataclass(frozen=True)
class Taken:
    """Milliseconds of queries, wall clock and processor time, and of the first one, which learns what its caller may read."""

    p50_ms: float
    p95_ms: float
    p50_cpu_ms: float
    p95_cpu_ms: float
    first_ms: float

    def reached(self, name: str) -> float:
        """Return a figure: other programs slow the wall clock, and never the processor time of one thread by much."""
        return float(min(getattr(self, name), getattr(self, name.replace("_ms", "_cpu_ms"))))


@dataclass(frozen=True)
class Figures:
    """What was measured at one size; seconds of an upload.

    Attributes:
        queries: kind of query → what it takes.
    """

    chunks: int
    queries: dict[str, Taken]
    open_s: float
    open_cpu_s: float
    upload_s: float
    upload_cpu_s: float
    next_query_cpu_ms: float
    megabytes: float


class Corpus:
    """Random texts, the same for the same size."""

    def __init__(self, chunks: int) -> None:
        self._random = np.random.default_rng(chunks)
        self._words = np.array(_vocabulary(), object)
        self._weights = np.cumsum(1 / np.arange(1, len(self._words) + 1) ** ZIPF)
        self.chunks = chunks

    def documents(self) -> Iterator[list[str]]:
        """Yield documents as lists of paragraphs, each of which becomes a chunk."""
        left = self.chunks
        while left > 0:
            size = min(left, 1 + int(self._random.lognormal(1.9, 0.8)))
            yield [self.text(int(self._random.integers(90, 150))) for _ in range(size)]
            left -= size

    def text(self, size: int) -> str:
        """Return so many words as sentences."""
        words, parts, at = self._draw(size), [], 0
        while at < size:
            length = int(self._random.integers(8, 30))
            parts.append(" ".join(words[at : at + length]).capitalize() + ".")
            at += length
        return " ".join(parts)

    def query(self, text: str) -> str:
        """Return a question about a text: six words near each other in it, and five of any frequency."""
        words = [word for word in text.replace(".", "").lower().split() if word not in STOPWORDS]
        at = int(self._random.integers(max(1, len(words) - 12)))
        return " ".join([*words[at : at + 12 : 2], *self._draw(5)])

    def _draw(self, count: int) -> list[str]:
        ranks = np.searchsorted(self._weights, self._random.random(count) * self._weights[-1])
        return self._words[ranks].tolist()


def _vocabulary() -> list[str]:
    """Return stop words, whole words of the embedder's vocabulary, and compounds of two of them."""
    source = json.loads((resolve_embedder("all-minilm-l6-v2")[0] / "tokenizer.json").read_text(encoding="utf-8"))
    whole = [word for word in source["model"]["vocab"] if word.isascii() and word.isalpha() and len(word) > 3]
    whole = [word for word in whole if word not in STOPWORDS]
    random = np.random.default_rng(1)
    random.shuffle(whole)
    pairs = random.integers(len(whole), size=(VOCABULARY, 2)).tolist()
    return list(dict.fromkeys([*sorted(STOPWORDS), *whole, *(whole[a] + whole[b] for a, b in pairs)]))[:VOCABULARY]


def embed_by_words(embedder: Embedder, texts: Sequence[str], kind: str = "document") -> NDArray[np.float32]:
    """Stand in for ``Embedder.encode``: the sum of a random vector for each word that is no stop word.

    A query, and what is uploaded later, is embedded by the model as well, so that its cost is counted.
    """
    if len(texts) <= 4:
        ENCODE(embedder, texts, kind)
    vectors = np.full((len(texts), embedder.dim), 1e-6, np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().replace(".", "").split():
            if word not in STOPWORDS:
                vectors[row] += _word_vector(word, embedder.dim)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


ENCODE = Embedder.encode
_VECTORS: dict[str, NDArray[np.float32]] = {}


def _word_vector(word: str, dim: int) -> NDArray[np.float32]:
    if word not in _VECTORS:
        _VECTORS[word] = np.random.default_rng(list(word.encode())).standard_normal(dim).astype(np.float32)
    return _VECTORS[word]


def make(root: Path, chunks: int) -> tuple[Workspace, Store]:
    """Return a workspace of so many chunks; one that is there already is used again."""
    made = (root / "doyen.toml").is_file()
    workspace = find_workspace(root) if made else create_workspace(root, "scale")
    store = open_store(workspace)
    if not made:
        documents = Corpus(chunks).documents()
        while batch := list(islice(documents, 200)):
            with store.session() as session:
                for paragraphs in batch:
                    write_document(session, _prepared(paragraphs))
        settle_near_groups(store, workspace.settings.ingestion.near_duplicate_threshold)
    update_index(workspace, store)
    return workspace, store


def _prepared(paragraphs: list[str], source: str = "") -> Prepared:
    """Return a document of which each paragraph is a chunk; its signature is random, as no document is like another."""
    text = "\n\n".join(paragraphs)
    version, at, chunks = sha256(text.encode()).hexdigest(), 0, []
    for paragraph in paragraphs:
        chunks.append(Chunk(at, at + len(paragraph), None, "", paragraph))
        at += len(paragraph) + 2
    return Prepared(
        source=source or f"{version[:12]}.txt",
        root="/scale",
        path=f"/scale/{version[:12]}.txt",
        version=version,
        size=len(text),
        modified_ns=0,
        fingerprint="scale",
        document=ParsedDocument(text, version[:12], "text/plain", (), ()),
        chunks=chunks,
        text_sha256=version,
        minhash=np.random.default_rng(int(version[:8], 16)).bytes(4 * PERMUTATIONS),
        assigned=Assigned(frozenset({f"g{int(version[:8], 16) % GROUPS}"})),
    )


def measure(root: Path, chunks: int) -> Figures:
    """Measure opening, queries, uploads and the index's size in a workspace of about so many chunks."""
    began, cpu = time.perf_counter(), time.process_time()
    workspace, store = make(root, chunks)
    print(f"  made in {time.perf_counter() - began:.0f} s, {time.process_time() - cpu:.0f} s of processor time", flush=True)
    corpus = Corpus(chunks)
    queries = make_queries(corpus)
    began, cpu = time.perf_counter(), time.process_time()
    retriever = open_retriever(workspace, store)
    retriever.retrieve(queries[0], PASSAGES)
    opened = time.perf_counter() - began, time.process_time() - cpu
    taken = {"owner": timed(retriever, queries)}
    taken |= {caller: timed(retriever, queries, access) for caller, access in CALLERS.items()}
    taken[READING] = timed_reading(workspace, store, retriever, queries[:READ_QUERIES])
    taken[TWICE] = timed_versions(workspace, store, retriever, corpus)
    uploads, upload_cpu, following = [], [], []
    for number in range(UPLOADS):
        data = f"Upload {number}: {corpus.text(8)}".encode()
        began, cpu = time.perf_counter(), time.process_time()
        upload_document(workspace, store, f"upload{number}.txt", data)
        uploads.append(time.perf_counter() - began)
        upload_cpu.append(time.process_time() - cpu)
        cpu = time.process_time()
        retriever.retrieve(queries[number], PASSAGES)
        following.append(time.process_time() - cpu)
    figures = Figures(
        retriever.n_chunks,
        taken,
        *opened,
        float(np.median(uploads)),
        float(np.median(upload_cpu)),
        float(np.median(following)) * 1000,
        index_bytes(workspace) / 1e6,
    )
    for kind, each in taken.items():
        print(f"  {kind:24s}" + "  ".join(f"{name} {value:.1f}" for name, value in asdict(each).items()), flush=True)
    for name, value in asdict(figures).items():
        if name != "queries":
            print(f"  {name:18s} {value:,.3f}", flush=True)
    store.close()
    return figures


def reindex(root: Path, chunks: int, cycles: int) -> tuple[float, float]:
    """Replace three documents in a hundred and update the index, so many times; return how time and size have grown."""
    workspace, store = make(root, chunks)
    corpus = Corpus(chunks + 1)
    queries = make_queries(corpus)
    retriever = open_retriever(workspace, store)
    timed(retriever, queries[:50])
    before = timed(retriever, queries).p50_cpu_ms, index_bytes(workspace)
    with store.session() as session:
        sources = list(session.scalars(select(DocumentRow.source).where(DocumentRow.root != "")))
    random = np.random.default_rng(chunks)
    for number in range(cycles):
        chosen = random.choice(sources, max(1, len(sources) * 3 // 100), replace=False)
        for source, paragraphs in zip(chosen.tolist(), corpus.documents(), strict=False):
            with store.session() as session:
                write_document(session, _prepared(paragraphs, source))
        update_index(workspace, store)
        retriever.retrieve(queries[number % len(queries)], PASSAGES)
    after = timed(retriever, queries).p50_cpu_ms, index_bytes(workspace)
    changed = abs(retriever.n_chunks - chunks) / chunks
    print(f"  {cycles} cycles: a query {before[0]:.1f} → {after[0]:.1f} ms of processor time,", end=" ")
    print(f"the index {before[1] / 1e6:.1f} → {after[1] / 1e6:.1f} MB; chunks differ by {changed:.1%}", flush=True)
    size = after[1] / before[1] * chunks / retriever.n_chunks
    store.close()
    return float(after[0] / before[0]), size


def make_queries(corpus: Corpus) -> list[str]:
    """Return questions about paragraphs of the corpus."""
    paragraphs = [each for document in islice(corpus.documents(), QUERIES) for each in document]
    return [corpus.query(text) for text in (paragraphs * QUERIES)[:: len(paragraphs) // QUERIES + 1][:QUERIES]]


def timed(retriever: AnyRetriever, queries: Sequence[str], access: Access = OWNER) -> Taken:
    """Return what a caller's queries take."""
    return timed_calls(lambda query: retriever.retrieve(query, PASSAGES, access=access), queries)


def timed_calls(ask: Callable[[str], object], queries: Sequence[str]) -> Taken:
    """Return what answering queries takes."""
    wall, used = [], []
    for query in queries:
        began, cpu = time.perf_counter(), time.process_time()
        ask(query)
        wall.append((time.perf_counter() - began) * 1000)
        used.append((time.process_time() - cpu) * 1000)
    percentiles = (*np.percentile(wall[1:], [50, 95]).tolist(), *np.percentile(used[1:], [50, 95]).tolist())
    return Taken(*percentiles, first_ms=wall[0])


def timed_reading(workspace: Workspace, store: Store, retriever: AnyRetriever, queries: Sequence[str]) -> Taken:
    """Return what queries take whose passages are read."""
    reader = reader_opener(Registry(workspace, store), workspace.settings)()
    assert reader is not None, "the settings name no reader"
    return timed_calls(lambda query: reader.find(query, retriever.retrieve(query, PASSAGES)), queries)


def timed_versions(workspace: Workspace, store: Store, retriever: AnyRetriever, corpus: Corpus) -> Taken:
    """Return what queries take that find the older one of two versions; the newest one is looked up then.

    Both have a paragraph in common; the older one's other paragraphs are asked for.
    """
    shared, asked = corpus.text(120), [corpus.text(120) for _ in range(8)]
    for letter, year, paragraphs in (("A", 2021, asked), ("B", 2024, [corpus.text(40)])):
        text = "\n\n".join(["# SP-1 Pump", f"Revision {letter}, {year}-01-05", shared, *paragraphs])
        upload_document(workspace, store, f"SP-1_rev_{letter}_pump.md", text.encode())
    queries = [corpus.query(paragraph) for paragraph in asked * 8]
    for query in queries[:8]:
        found = {passage.revision[:10] for passage in retriever.retrieve(query, PASSAGES)}
        assert {"Revision A", "Revision B"} <= found, "the newest version was not looked up"
    return timed(retriever, queries)


def index_bytes(workspace: Workspace) -> int:
    """Return the size of the index's files."""
    return sum(path.stat().st_size for path in workspace.index_folder.rglob("*") if path.is_file())


def main() -> int:
    """Print the figures of both sizes and of the cycles; return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=3_000, help="chunks")
    parser.add_argument("--large", type=int, default=100_000, help="chunks")
    parser.add_argument("--cycles", type=int, default=CYCLES, help="of reindexing, in the small workspace")
    parser.add_argument("--keep", type=Path, help="keep the workspaces here and use those that are there")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    Embedder.encode = embed_by_words  # type: ignore[method-assign]
    figures = {}
    with tempfile.TemporaryDirectory() as temporary:
        place = options.keep or Path(temporary)
        for size in (options.small, options.large):
            print(f"{size:,} chunks:", flush=True)
            figures[size] = measure(place / str(size), size)
        grown = reindex(place / "cycles", options.small, options.cycles) if options.cycles else (1.0, 1.0)
    passed = judge(figures[options.large])
    print(f"after {options.cycles} cycles: query time × {grown[0]:.2f}, size × {grown[1]:.2f} (bar {GROWTH})")
    if options.json:
        sizes = {size: asdict(each) for size, each in figures.items()}
        options.json.write_text(json.dumps({"sizes": sizes, "growth": grown}, indent=2) + "\n", encoding="utf-8")
    return int(not passed or max(grown) > GROWTH)


def judge(large: Figures) -> bool:
    """Print the figures beside their bars; return whether all are passed."""
    rows = [
        (f"{kind}, {name}", each.reached(name), bar)
        for kind, each in large.queries.items()
        for name, bar in ({"p50_ms": READ_BAR} if kind == READING else BARS).items()
    ]
    rows.append(("upload of ten words, s of processor time", large.upload_cpu_s, UPLOAD_BAR))
    for what, value, bar in rows:
        print(f"{what}: {value:.2f} (bar {bar:g}: {'passed' if value <= bar else 'missed'})")
    return all(value <= bar for _, value, bar in rows)


if __name__ == "__main__":
    sys.exit(main())
