"""What an upload of ten words costs in a small and in a large workspace; the bar is a ratio.

    python benchmarks/upload_cost.py --small 1000 --large 20000

Both workspaces are made here from sentences of random words and indexed by the real embedder and the real Chroma.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from doyen.core.store import open_store
from doyen.core.workspace import create_workspace
from doyen.platform.documents import ingest_documents, upload_document
from doyen.retrieval.chosen import open_retriever

BAR = 4.0
UPLOADS = 5
WORDS = 40


def main() -> int:
    """Print seconds and their ratio; return 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=1_000, help="documents in the small workspace")
    parser.add_argument("--large", type=int, default=20_000, help="documents in the large one")
    arguments = parser.parse_args()
    small, large = measure(arguments.small), measure(arguments.large)
    ratio = large / small
    print(f"upload of ten words: {small:.2f} s at {arguments.small:,} documents, {large:.2f} s at {arguments.large:,}")
    print(f"ratio {ratio:.1f} (bar {BAR:g})")
    return int(ratio > BAR)


def measure(count: int) -> float:
    """Return the median seconds of an upload in a workspace of so many documents."""
    source = random.Random(count)
    words = [f"word{number}" for number in range(20_000)]
    with tempfile.TemporaryDirectory() as place:
        documents = Path(place) / "documents"
        documents.mkdir()
        for number in range(count):
            (documents / f"{number}.txt").write_text(" ".join(source.choices(words, k=WORDS)) + ".", encoding="utf-8")
        workspace = create_workspace(Path(place) / "space")
        store = open_store(workspace)
        ingest_documents(workspace, store, [documents])
        seconds = []
        for number in range(UPLOADS):
            started = time.perf_counter()
            text = f"Upload {number}: " + " ".join(source.choices(words, k=8))
            upload_document(workspace, store, f"upload{number}.txt", text.encode())
            seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        open_retriever(workspace, store).retrieve("word7 word8", 5)
        searched = time.perf_counter() - started
        print(f"{count:,} documents: uploads {[round(each, 2) for each in seconds]}, next search {searched:.2f} s")
        store.close()
    return statistics.median(seconds)


if __name__ == "__main__":
    sys.exit(main())
