"""What a trained embedder finds on documents that it was not trained on: COVID-QA, trained on the first 60 documents.

    python benchmarks/tuned_embedder.py --data ../shared/data/covidqa [--workspace DIR]

Documents are numbered in the order of qa.jsonl. Questions and mined passages of the training are of the first 60 alone; the few
headings that it also learns from are of all documents, which a workspace has anyway. Then the questions on the others
are asked of all documents, as in retrieval_quality.py: first with the packaged embedder, then with the trained one.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from covidqa import Item, load_items, to_pair
from retrieval_quality import PASSAGES, Found, measure

from doyen import Doyen
from doyen.core.access import OWNER, Access
from doyen.core.answers import Passage, Retriever
from doyen.core.progress import Terminal
from doyen.core.records import Pair
from doyen.core.store.schema import DocumentRow
from doyen.core.workspace import create_workspace
from doyen.finetune.dataset import build_dataset
from doyen.finetune.train_embedder import train_embedder

TRAINED_ON = 60
BAR = 0.03
"""What the share within 700 words must gain."""


class Without:
    """A retriever that never finds passages of some documents."""

    def __init__(self, retriever: Retriever, documents: Sequence[str]) -> None:
        self._retriever, self._documents = retriever, list(documents)

    def retrieve(self, query: str, k: int, *, exclude_documents: Sequence[str] = (), access: Access = OWNER) -> list[Passage]:
        """Return what is found elsewhere."""
        excluded = [*self._documents, *exclude_documents]
        return self._retriever.retrieve(query, k, exclude_documents=excluded, access=access)


def ask(doyen: Doyen, items: Sequence[Item], title: str) -> dict[str, float]:
    """Print and return the share of questions whose answer is found, by measure."""

    def search(question: str) -> list[Found]:
        passages = doyen.retriever.retrieve(question, PASSAGES)
        return [Found(Path(p.source).stem, p.start, p.end, len(p.text.split())) for p in passages]

    hits, _ = measure(items, search)
    means = {name: float(np.mean(values)) for name, values in hits.items()}
    print(f"{title}: " + ", ".join(f"{name} {value:.4f}" for name, value in means.items()), flush=True)
    return means


def compare(doyen: Doyen, known: Sequence[Item], asked: Sequence[Item], first: set[str]) -> dict[str, Any]:
    """Train on what is known, and return the figures of the questions that are asked before and after the promotion."""
    with doyen.store.session() as session:
        held = [row.document_id for row in session.query(DocumentRow) if Path(row.source).stem not in first]
    pairs = [Pair(**to_pair(item)) for item in known]
    dataset = build_dataset(doyen.workspace, doyen.store, pairs, name="first-documents")
    figures: dict[str, Any] = {"questions": len(asked), "packaged": ask(doyen, asked, "packaged embedder")}
    retriever = Without(doyen.retriever, held)
    made = train_embedder(doyen.workspace, doyen.store, dataset, retriever, name="covidqa-embedder", reporter=Terminal())
    told = ("pairs", "headings", "steps", "share", "validation", "seconds")
    figures["training"] = {name: made.manifest[name] for name in told}
    print(figures["training"], flush=True)
    doyen.promote(made.ref, report=None, by="a benchmark", override="to be measured")
    figures["trained"] = ask(doyen, asked, "trained embedder")
    doyen.rollback(made.name)
    return figures


def main() -> int:
    """Train, promote, ask; return 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/covidqa"))
    parser.add_argument("--workspace", type=Path, help="default: a temporary one; one that is given is kept and used again")
    parser.add_argument("--limit", type=int, help="ask every n-th question only, so that about so many remain")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    items = load_items(arguments.data)
    documents = list(dict.fromkeys(str(item["document_id"]) for item in items))
    first = set(documents[:TRAINED_ON])
    asked = [item for item in items if str(item["document_id"]) not in first]
    asked = asked[:: max(1, len(asked) // arguments.limit)] if arguments.limit else asked
    with tempfile.TemporaryDirectory() as temporary:
        root = arguments.workspace or Path(temporary) / "space"
        if not (root / "doyen.toml").is_file():
            create_workspace(root, "covidqa")
        with Doyen(root, reporter=Terminal()) as doyen:
            doyen.ingest([arguments.data / "documents"])
            figures = compare(doyen, [item for item in items if str(item["document_id"]) in first], asked, first)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    gain = figures["trained"]["700 words"] - figures["packaged"]["700 words"]
    print(f"within 700 words: {100 * gain:+.1f} points (bar {100 * BAR:+.1f})")
    return int(gain < BAR)


if __name__ == "__main__":
    sys.exit(main())
