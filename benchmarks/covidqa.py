"""Make evaluation questions and training pairs from COVID-QA.

    python benchmarks/covidqa.py --data ../shared/data/covidqa --out questions.jsonl --split test --pairs pairs.jsonl

Questions are split by document (70/30, seeded), never by question: two questions about one article share its text.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

SPLIT_SEED = 17
TRAIN_SHARE = 0.7

Item = dict[str, Any]


def load_items(data: Path) -> list[Item]:
    """Return the question/answer items of ``data/qa.jsonl``, in the file's order."""
    lines = (data / "qa.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def read_document(data: Path, document_id: str) -> str:
    """Return the text of a document, line ends unchanged, so that ``answer_start`` is an offset in it."""
    return (data / "documents" / f"{document_id}.txt").read_bytes().decode("utf-8")


def split_by_document(
    items: Iterable[Item], *, train_share: float = TRAIN_SHARE, seed: int = SPLIT_SEED
) -> dict[str, list[Item]]:
    """Return {"train": …, "test": …}; all items of a document are on one side.

    The shares are of documents. The same items and seed always give the same split.
    """
    items = list(items)
    documents = sorted({str(item["document_id"]) for item in items})
    random.Random(seed).shuffle(documents)
    train = set(documents[: round(train_share * len(documents))])
    sides: dict[str, list[Item]] = {"train": [], "test": []}
    for item in items:
        sides["train" if str(item["document_id"]) in train else "test"].append(item)
    return sides


def to_question(item: Item) -> Item:
    """Return the item as a line of questions.jsonl."""
    return {
        "id": f"covidqa-{item['id']}",
        "question": item["question"].strip(),
        "answer": item["answer"].strip(),
        "source": f"{item['document_id']}.txt",
        "evidence": [item["answer"].strip()],
    }


def to_pair(item: Item) -> Item:
    """Return the item as a line of pairs.jsonl: the answer is an exact quote, so it is its own evidence."""
    question = to_question(item)
    return {
        "id": question["id"],
        "prompt": question["question"],
        "response": question["answer"],
        "source": question["source"],
        "evidence": question["evidence"],
        "annotator": "covidqa",
    }


def write_lines(path: Path, records: Iterable[Item]) -> int:
    """Write records as JSONL; return how many."""
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def main() -> None:
    """Write the files that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/covidqa"), help="folder with qa.jsonl and documents/")
    parser.add_argument("--out", type=Path, required=True, help="questions.jsonl to write")
    parser.add_argument("--split", choices=("test", "train", "all"), default="all", help="which side's questions")
    parser.add_argument("--pairs", type=Path, help="also write the train side's items as pairs.jsonl")
    parser.add_argument("--pairs-limit", type=int, help="at most so many pairs, a fixed random sample")
    parser.add_argument("--limit", type=int, help="a fixed random sample of that many questions")
    parser.add_argument("--seed", type=int, default=SPLIT_SEED)
    arguments = parser.parse_args()
    split: Literal["test", "train", "all"] = arguments.split
    items = load_items(arguments.data)
    sides = split_by_document(items, seed=arguments.seed)
    chosen = items if split == "all" else sides[split]
    if arguments.limit and arguments.limit < len(chosen):
        chosen = random.Random(arguments.seed).sample(chosen, arguments.limit)
    print(f"{write_lines(arguments.out, map(to_question, chosen))} questions in {arguments.out}")
    if arguments.pairs:
        train = sides["train"]
        if arguments.pairs_limit and arguments.pairs_limit < len(train):
            train = random.Random(arguments.seed).sample(train, arguments.pairs_limit)
        print(f"{write_lines(arguments.pairs, map(to_pair, train))} pairs in {arguments.pairs}")


if __name__ == "__main__":
    main()
