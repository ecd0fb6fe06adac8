"""Whether pairs that no person wrote make a better reader: ``python benchmarks/generated_pairs.py [--questions 120]``.

A reader is trained on half of the example's labelled pairs, and one on these and as many pairs again that rules make from the
figures of its tables ("What is the price of QC-41-0107?"): the packaged model of 135M parameters drafts none that is kept. Both
are asked the example's own questions outside the development third. Exchanged values, the other way without a model, are
part of every reader's training anyway. There is no bar: whatever comes out is the result.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from reading import EXAMPLE, SEED, answer, auroc, bar, quality, workspace
from sqlalchemy import select

from doyen import Doyen
from doyen.core.answers import Answer, Passage
from doyen.core.records import Pair, Question, read_records
from doyen.core.store.schema import ChunkRow, DocumentRow
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.metrics import token_f1
from doyen.eval.questions import sample
from doyen.retrieval.reading.table_cells import SEPARATOR, find_cells


def main() -> int:
    """Train both readers, ask both, and print the difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path(".cache/generated_pairs"))
    parser.add_argument("--questions", type=int, default=120, help="asked at most of each kind")
    options = parser.parse_args()
    questions = read_records(EXAMPLE / "questions.jsonl", Question)
    reported = [each for each in questions if "development" not in each.tags]
    asked = [
        question
        for wanted in (True, False)
        for question in sample([each for each in reported if each.answerable is wanted], options.questions, SEED)
    ]
    half = read_records(EXAMPLE / "pairs.jsonl", Pair)[::2]
    with workspace(options.workspace, EXAMPLE / "documents") as doyen:
        made = table_pairs(doyen, len(half))
        print(f"{len(half)} labelled pairs, {len(made)} made from tables, such as {made[0].prompt!r} {made[0].response!r}")
        for name, pairs in {"half": half, "more": [*half, *made]}.items():
            recipe = doyen.datasets.recipe({"paraphrases": "resolve"})
            dataset, _ = doyen.build_dataset(name, pairs=pairs, frozen=questions, recipe=recipe)
            trained = doyen.train_reader(dataset.dataset_id)
            counts = trained.manifest["examples"], trained.manifest["seconds"]
            print(f"{trained.ref}: {len(dataset.train)} pairs, {counts[0]} examples, {counts[1]} s", flush=True)
    records = {name: ask(options.workspace, name, asked) for name in ("half", "more")}
    compare(records["half"], records["more"])
    return 0


def table_pairs(doyen: Doyen, most: int) -> list[Pair]:
    """Return at most so many pairs about figures of the documents' tables, drawn at random."""
    query = select(ChunkRow, DocumentRow.source).join(DocumentRow, DocumentRow.document_id == ChunkRow.document_id)
    found: dict[str, Pair] = {}
    with doyen.store.session() as session:
        for chunk, source in session.execute(query.order_by(ChunkRow.document_id, ChunkRow.ordinal)).tuples():
            where = (chunk.chunk_id, chunk.document_id, chunk.version, source, chunk.start, chunk.end)
            passage = Passage(*where, None, chunk.heading, 0.0, chunk.text)
            for cell in find_cells(0, passage):
                *labels, heading = cell.about.split(SEPARATOR)
                label = labels[-1].rpartition(": ")[2] if labels else ""
                if not label:
                    continue
                prompt = f"What is the {heading.replace('_', ' ').lower()} of {label}?"
                row, value = passage.text[slice(*cell.row)], passage.text[cell.start : cell.end]
                pair = Pair(id=f"made-{len(found)}", prompt=prompt, response=value, source=source, evidence=[row])
                found.setdefault(prompt, pair)
    return random.Random(SEED).sample(list(found.values()), min(most, len(found)))


def ask(folder: Path, name: str, asked: Sequence[Question]) -> list[tuple[Question, Answer]]:
    """Return the answers of one of the readers, and print how right they are."""
    with workspace(folder, EXAMPLE / "documents", f'reader = "{name}-reader"\n') as doyen:
        records = answer(doyen, asked)
    quality(name, [item for item in records if item[0].answerable], None)
    chances = {kind: [each.probability or 0.0 for item, each in records if item.answerable is kind] for kind in (True, False)}
    bar(f"{name}: AUROC unanswerable", auroc(chances[True], chances[False]), None, len(chances[False]))
    return records


def compare(one: Sequence[tuple[Question, Answer]], other: Sequence[tuple[Question, Answer]]) -> None:
    """Print the difference of the token F1 with its 95% bootstrap interval over the questions."""
    scores = [
        [token_f1(item, AnswerRecord.of("", item.id, each)) or 0.0 for item, each in records if item.answerable]
        for records in (one, other)
    ]
    gains = np.array(scores[1]) - np.array(scores[0])
    draws = np.random.default_rng(SEED).integers(len(gains), size=(10_000, len(gains)))
    low, high = np.quantile(gains[draws].mean(axis=1), [0.025, 0.975])
    print(f"token F1 with the made pairs: {gains.mean():+.3f} [{low:+.3f}, {high:+.3f}], n {len(gains)}")


if __name__ == "__main__":
    sys.exit(main())
