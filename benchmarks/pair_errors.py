"""Wrong answers found among the worst by how well a training has learnt them: ``python benchmarks/pair_errors.py``.

Of the example's answerable pairs one in ten gets the answer, with its evidence, of another pair about the same document: what
the evidence carries, and what no other pair contradicts, so that only learning can tell. An adapter is trained on all of them.
Printed is the share of the wrong ones among the worst 15%: by evidence and contradictions, by the area under the margin, by
both. Chance finds 15%; there is no bar.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from doyen import Doyen
from doyen.annotation.types.typed_labels import LabelledText, PromptResponse
from doyen.core.progress import Terminal
from doyen.core.records import Pair, read_records
from doyen.core.workspace import create_workspace
from doyen.finetune.supervision.learnt_pairs import find_areas
from doyen.finetune.supervision.pair_doubts import doubt_pairs

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "quillane"
WRONG, WORST, SEED = 0.1, 0.15, 17
SETTINGS = '\n[ingestion]\nchunk_words = 100\n\n[finetune]\nprefix_gradients = false\nstart_from = "none"\n'


def main() -> int:
    """Train on pairs of which some are wrong, and print how many are found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=120)
    parser.add_argument("--epochs", type=float, default=2.0)
    options = parser.parse_args()
    pairs, wrong = spoilt(read_records(EXAMPLE / "pairs.jsonl", Pair), options.pairs)
    with tempfile.TemporaryDirectory() as folder:
        created = create_workspace(Path(folder) / "space", "errors")
        with (created.root / "doyen.toml").open("a", encoding="utf-8") as settings:
            settings.write(SETTINGS)
        with Doyen(created.root, reporter=Terminal()) as doyen:
            doyen.ingest([EXAMPLE / "documents"])
            dataset, _ = doyen.build_dataset(
                "spoilt", pairs=pairs, recipe=doyen.datasets.recipe({"validation_share": 0.0, "paraphrases": "resolve"})
            )
            doyen.train(dataset.dataset_id, options={"epochs": options.epochs})
            labelled = [labelled_pair(pair) for pair in pairs]
            areas, _ = find_areas(doyen.workspace, doyen.store, labelled)
    told = f"{len(wrong)} of {len(pairs)} answers are wrong, {len(areas)} of all were learnt"
    unsupported = [doubt.quality for doubt in doubt_pairs(labelled)]
    unlearnt = [areas.get(row, np.inf) for row in range(len(pairs))]
    together = [doubt.quality for doubt in doubt_pairs(labelled, areas)]
    print(f"{told}; among the worst {WORST:.0%} are")
    for name, quality in (("evidence", unsupported), ("margin", unlearnt), ("both", together)):
        print(f"  by {name}: {found(quality, wrong):.0%}")
    return 0


def spoilt(pairs: Sequence[Pair], count: int) -> tuple[list[Pair], set[int]]:
    """Return pairs, some with the answer and evidence of another one about the same document, and the places of those."""
    chance = np.random.default_rng(SEED)
    usable = [pair for pair in pairs if pair.answerable and pair.source and pair.evidence and not pair.history]
    chosen = [usable[row] for row in sorted(chance.permutation(len(usable))[:count])]
    wrong: set[int] = set()
    given = list(chosen)
    for row in chance.permutation(len(chosen)):
        own = chosen[row]
        others = [each for each in usable if each.source == own.source and each.response != own.response]
        if len(wrong) < WRONG * len(chosen) and others:
            other = others[chance.integers(len(others))]
            given[row] = own.model_copy(update={"response": other.response, "evidence": other.evidence})
            wrong.add(int(row))
    return given, wrong


def labelled_pair(pair: Pair) -> LabelledText:
    """Return a pair as a project holds it."""
    label = PromptResponse(pair.prompt, pair.response, pair.answerable, quotes=tuple(pair.evidence))
    return LabelledText(pair.id, "", label, meta={"source": pair.source})


def found(quality: Sequence[float], wrong: set[int]) -> float:
    """Return the share of the wrong ones among the worst."""
    worst = np.argsort(quality, kind="stable")[: int(WORST * len(quality))]
    return len(wrong & set(worst.tolist())) / len(wrong)


if __name__ == "__main__":
    sys.exit(main())
