"""Whether the leak check of datasets finds what was planted, raises no false alarm, and how fast it is.

    python benchmarks/dataset_leaks.py --data ../shared/data [--sizes 10000,100000]

**Planted**: COVID-QA is split by document. Training questions are planted among the validation pairs with their answers:
as they are, in other case and punctuation, nearly repeated (a courtesy, a misspelling, a word moved), and in other words
(dataset_paraphrases.tsv, written by hand before any was measured). The thresholds were chosen with the paraphrases of even
ids; those of odd ids give the figure.

**False alarms**: COVID-QA with nothing planted, split by document and as Doyen splits it, by ten seeds; and SQuAD split by
article. Each alarm is shown: two documents can ask the same. Bar: none but the same prompt and pairs that read as one question.

**Speed**: real texts (Banking77, SQuAD, COVID-QA, and mixtures of their words beyond their number), a tenth held out. Bar:
100,000 in 60 s, once with the comparison of wordings alone, once with meaning.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from covidqa import load_items, split_by_document, to_pair
from numpy.typing import NDArray

from doyen.core.records import Pair
from doyen.finetune.leakage import Leak, LeakKind, check_leaks
from doyen.finetune.leakage.meaning import Encoder
from doyen.finetune.split import Split, split_pairs
from doyen.retrieval.embedder import load_embedder

PARAPHRASES = Path(__file__).with_name("dataset_paraphrases.tsv")
FOUND_BAR = {"exact": 1.0, "case and punctuation": 1.0, "near-duplicate": 0.9, "paraphrase": 0.7}
"""Share of each kind that must be found."""
SECONDS_BAR, SIZE_BAR = 60, 100_000
SEEDS = 10
SQUAD_STEP = 4
"""Every fourth paragraph of SQuAD."""
SAME = {frozenset({"covidqa-246", "covidqa-1199"}), frozenset({"covidqa-1255", "covidqa-1211"})}
"""Pairs of COVID-QA's questions that ask the same in two articles and are answered the same, by reading them."""
HELD_OUT = 0.1
PLANTED = 200
"""Of each kind but paraphrases."""


def main() -> int:
    """Print found shares, alarms and times; return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sizes", default="10000,100000")
    parser.add_argument("--only-speed", action="store_true")
    options = parser.parse_args()
    encoder = load_embedder("all-minilm-l6-v2", "auto")
    remembering = Remembering(encoder)
    missed = []
    if not options.only_speed:
        missed += [*planted_leaks(options.data / "covidqa", remembering), *false_alarms(options.data, remembering)]
    missed += speed(options.data, [int(size) for size in options.sizes.split(",") if size], encoder)
    print("\n".join(f"missed: {bar}" for bar in missed) or "all bars passed")
    return int(bool(missed))


class Remembering:
    """An encoder that embeds a text once, for checks of the same texts in other splits."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self.network, self.tokens = encoder, encoder.network, encoder.tokens
        self._known: dict[str, NDArray[np.float32]] = {}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts."""
        new = [text for text in texts if text not in self._known]
        self._known |= dict(zip(new, self._encoder.encode(new), strict=True)) if new else {}
        return np.stack([self._known[text] for text in texts])


def planted_leaks(data: Path, encoder: Encoder) -> list[str]:
    """Print which share of the planted leaks of each kind is found; return the bars missed."""
    sides = split_by_document(load_items(data))
    train = [Pair(**to_pair(item)) for item in sides["train"]]
    held_out = [Pair(**to_pair(item)) for item in sides["test"]]
    planted = plant({pair.id: pair for pair in train})
    ids = [(kind, pair.id) for kind, pairs in planted.items() for pair in pairs]
    split = Split(train, [*held_out, *(pair for pairs in planted.values() for pair in pairs)])
    leaks = check_leaks(split, {}, encoder=encoder).leaks
    kinds: dict[str, LeakKind] = {}
    for leak in leaks:
        # A planted question counts where the one that it was made from is named.
        if leak.ids[0].startswith("planted") and leak.ids[0].endswith(f"-{leak.ids[1]}"):
            kinds.setdefault(leak.ids[0], leak.kind)
    print(f"Planted in COVID-QA: {len(train)} training pairs, {len(held_out)} others held out")
    missed = []
    for kind in planted:
        own = [name for each, name in ids if each == kind]
        found = [name for name in own if name in kinds]
        as_what = ", ".join(f"{count} as {name}" for name, count in Counter(kinds[name].value for name in found).items())
        bar = FOUND_BAR.get(kind)
        print(f"  {kind:<32} {len(found):>3} of {len(own):>3} found{f' (bar {bar:.0%})' if bar else ''}: {as_what}")
        if bar and len(found) < bar * len(own):
            missed.append(f"{kind}: {len(found)} of {len(own)} found")
    return missed


def plant(train: dict[str, Pair]) -> dict[str, list[Pair]]:
    """Return the leaks of each kind: pairs with a training pair's answer and its question, changed."""
    rng = random.Random(17)
    chosen = rng.sample(sorted(train), PLANTED)
    written = [line.split("\t") for line in PARAPHRASES.read_text(encoding="utf-8").splitlines()]
    reworded = {f"covidqa-{number}": text for number, text in written if f"covidqa-{number}" in train}
    even = {name: text for name, text in reworded.items() if int(name.rpartition("-")[2]) % 2 == 0}
    odd = {name: text for name, text in reworded.items() if name not in even}
    texts = {
        "exact": {name: train[name].prompt for name in chosen},
        "case and punctuation": {name: f"{train[name].prompt.upper().rstrip('?. ')} ..." for name in chosen},
        "near-duplicate": {name: nearly(train[name].prompt, rng) for name in chosen},
        "paraphrase (thresholds chosen)": even,
        "paraphrase": odd,
    }
    return {
        kind: [
            train[name].model_copy(update={"id": f"planted-{kind}-{name}", "prompt": text, "source": None, "evidence": []})
            for name, text in made.items()
        ]
        for kind, made in texts.items()
    }


def nearly(prompt: str, rng: random.Random) -> str:
    """Return a prompt with a courtesy before it, two letters of a long word swapped, or its last words first."""
    words = prompt.rstrip("?. ").split()
    match rng.randrange(3):
        case 0:
            return f"Please tell me: {prompt}"
        case 1:
            place = max(range(len(words)), key=lambda index: len(words[index]))
            word = words[place]
            middle = len(word) // 2
            words[place] = word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]
            return " ".join(words) + "?"
    return " ".join([*words[-2:], *words[:-2]]) + "?"


def false_alarms(data: Path, encoder: Encoder) -> list[str]:
    """Print the alarms on COVID-QA and SQuAD split by document; return the bars missed."""
    items = load_items(data / "covidqa")
    pairs = [Pair(**to_pair(item)) for item in items]
    alarms: dict[frozenset[str], Leak] = {}
    counts: dict[str, list[int]] = {"split by document": [], "as Doyen splits it": []}
    for seed in range(SEEDS):
        sides = split_by_document(items, seed=seed)
        by_document = Split(*([Pair(**to_pair(item)) for item in sides[side]] for side in ("train", "test")))
        for title, split in zip(counts, (by_document, split_pairs(pairs, {}, seed)), strict=True):
            leaks = check_leaks(split, {}, encoder=encoder).leaks
            counts[title].append(len(leaks))
            alarms |= {frozenset(leak.ids): leak for leak in leaks}
    for title, found in counts.items():
        print(f"COVID-QA {title}, seeds 0 to {SEEDS - 1}: {found} alarms")
    alarms |= {frozenset(leak.ids): leak for leak in squad_alarms(data / "squad", encoder)}
    false = [leak for leak in alarms.values() if not one_question(leak)]
    answers = {pair.id: pair.response for pair in pairs}
    for leak in alarms.values():
        told = f"\n    answers: {' / '.join(answers[name][:90] for name in leak.ids)}" if leak.ids[0] in answers else ""
        print(f"  {'FALSE' if leak in false else 'the same question'}: {leak}{told}")
    return [f"false alarm: {leak}" for leak in false]


def one_question(leak: Leak) -> bool:
    """Whether two requests are one: the same prompt, or judged so by reading both with their answers."""
    return leak.kind in {LeakKind.EXACT, LeakKind.NORMALISED} or frozenset(leak.ids) in SAME


def squad_alarms(data: Path, encoder: Encoder) -> list[Leak]:
    """Return the alarms between two halves of SQuAD's articles, which no threshold was chosen with."""
    lines = (data / "paragraphs.jsonl").read_text(encoding="utf-8").splitlines()
    paragraphs = [json.loads(line) for line in lines][::SQUAD_STEP]
    titles = sorted({each["title"] for each in paragraphs})
    rows = [
        (each["title"], Pair(id=q["id"], prompt=q["question"].strip(), response=q["answers"][0]))
        for each in paragraphs
        for q in each["questions"]
        if q["answerable"]
    ]
    halves = [[pair for title, pair in rows if (titles.index(title) % 2 == 0) == even] for even in (True, False)]
    leaks = check_leaks(Split(*halves), {}, encoder=encoder).leaks
    print(f"SQuAD, {len(halves[0])} and {len(halves[1])} questions of different articles: {len(leaks)} alarms")
    return leaks


def speed(data: Path, sizes: list[int], encoder: Encoder) -> list[str]:
    """Print how long the check takes; return the bars missed."""
    missed = []
    for size in sizes:
        rows = texts_of(data, size)
        aside = round(HELD_OUT * size)
        originals, reworded = reworded_pairs(data / "covidqa")
        asked = {pair.prompt for pair in originals}
        rows = [row for row in rows if row.prompt not in asked]
        split = Split([*originals, *rows[aside:]], [*reworded, *rows[:aside]])
        for title, chosen in (("wordings", None), ("wordings and meaning", encoder)):
            began, worked = time.perf_counter(), time.process_time()
            report = check_leaks(split, {}, encoder=chosen)
            taken, worked = time.perf_counter() - began, time.process_time() - worked
            kinds = dict(Counter(leak.kind.value for leak in report.leaks))
            planted = {leak.ids[0] for leak in report.leaks if leak.ids[0] == f"planted-paraphrase-{leak.ids[1]}"}
            how = f"{report.compared.get('meaning', '')}; {len(planted)} of {len(reworded)} paraphrases found"
            print(f"{size} pairs, {title}: {taken:.1f} s ({worked:.1f} s of the processor); {how} {kinds}", flush=True)
            if size == SIZE_BAR and taken > SECONDS_BAR:
                missed.append(f"{size} pairs, {title}: {taken:.0f} s (bar {SECONDS_BAR} s)")
    return missed


def reworded_pairs(data: Path) -> tuple[list[Pair], list[Pair]]:
    """Return the questions of COVID-QA that were written in other words, and those other words."""
    train = {pair.id: pair for pair in (Pair(**to_pair(item)) for item in split_by_document(load_items(data))["train"])}
    made = plant(train)
    both = [*made["paraphrase (thresholds chosen)"], *made["paraphrase"]]
    names = [f"covidqa-{pair.id.rpartition('-')[2]}" for pair in both]
    return [train[name] for name in names], [
        pair.model_copy(update={"id": f"planted-paraphrase-{name}"}) for name, pair in zip(names, both, strict=True)
    ]


def texts_of(data: Path, size: int) -> list[Pair]:
    """Return so many pairs with different real texts; beyond their number half of a text's words are exchanged for others."""
    found = [(item["question"].strip(), item["answer"].strip()) for item in load_items(data / "covidqa")]
    with (data / "banking77" / "train.csv").open(encoding="utf-8") as stream:
        found += [(row["text"].strip(), row["category"]) for row in csv.DictReader(stream)]
    for path in sorted((data / "squad").glob("*.json*")):
        text = path.read_text(encoding="utf-8")
        paragraphs = json.loads(text) if text.lstrip().startswith("[") else map(json.loads, text.splitlines())
        found += [(q["question"], (q["answers"] or ["None."])[0]) for each in paragraphs for q in each["questions"]]
    texts = dict(found)
    rng = random.Random(17)
    words = [word for text in texts for word in re.findall(r"\w+", text) if len(word) > 3]
    own = list(texts)
    while len(texts) < size:
        given = rng.choice(own).split()
        mixed = [rng.choice(words) if len(word) > 3 and rng.random() < 0.5 else word for word in given]
        texts.setdefault(" ".join(mixed), texts[rng.choice(own)])
    rows = [Pair(id=str(n), prompt=text, response=answer or "None.") for n, (text, answer) in enumerate(texts.items())]
    rng.shuffle(rows)
    return rows[:size]


if __name__ == "__main__":
    sys.exit(main())
