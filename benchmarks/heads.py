"""Heads beside full fine-tuning and scikit-learn: classes of Banking77, entities of CrossNER.

    python benchmarks/heads.py [--data ../shared/data] [--rows 20] [--test-rows 20] [--domain science] [--only banking77]
    python benchmarks/heads.py --sweep      # rates and epochs, on texts that the figures above are not from

*Banking77*, all 77 classes, ``--rows`` training texts of each (0: all) and ``--test-rows`` of the official test part: the LoRA
head, the same encoder with all weights trained, the linear layer alone, and TF-IDF with logistic regression. Bar: the accuracy
of the head is at most two points below that of full fine-tuning. *CrossNER*: span F1 on the official test sentences of a
domain, trained on its 200 training sentences: the head, logistic regression on how words are written, the same on the
encoder's states, and spaCy where it is installed. ``--sweep`` tries rates and epochs on the first half of Banking77's training
texts and on CrossNER's politics, so that none is chosen by the figures above.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from labelled_texts import HALF_SEED, read_banking77, read_crossner

from doyen.annotation.types.tokenizer import bio_tags, tokenise
from doyen.annotation.types.typed_labels import Classes, Entities, Label, Region
from doyen.core.progress import Silent
from doyen.eval.head_scores import Sampling, compare_heads, score_head
from doyen.finetune.heads.head import Head
from doyen.finetune.heads.head_config import HeadConfig, HeadType
from doyen.finetune.heads.head_examples import Item, make_examples
from doyen.finetune.heads.head_labels import label_of
from doyen.finetune.heads.head_network import LoraShape, find_base, make_network, window_of
from doyen.finetune.heads.head_training import fit_head, fit_output, make_lesson
from doyen.finetune.supervision.learners import Tagged, decode, entity_spans
from doyen.finetune.trainer import Schedule
from doyen.retrieval.embedder import load_embedder

EMBEDDER, SEED, BATCH = "all-minilm-l6-v2", 17, 16
LORA = LoraShape(16, 32, 0.0)
POINTS = 0.02
RATES = {"LoRA": 1e-3, "full": 1e-4}
EPOCHS = {"banking77": 4, "crossner": 8}
SAMPLING = Sampling(2000, SEED)
Predicted = list[Label]
Texts = tuple[list[str], list[Label]]


def main() -> int:
    """Run, print and judge the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DOYEN_DATA", "../shared/data")))
    parser.add_argument("--rows", type=int, default=20, help="training texts of each class of Banking77; 0: all")
    parser.add_argument("--test-rows", type=int, default=20, help="test texts of each class; 0: all")
    parser.add_argument("--domain", default="science", help="of CrossNER")
    parser.add_argument("--only", choices=["banking77", "crossner"])
    parser.add_argument("--sweep", action="store_true", help="try rates and epochs instead")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.sweep:
        sweep(options)
        return 0
    found: dict[str, Any] = {}
    passed = True
    if options.only in {None, "banking77"}:
        found["banking77"], passed = banking77(options.data, options.rows, options.test_rows)
    if options.only in {None, "crossner"}:
        found["crossner"] = crossner(options.data, options.domain)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    return int(not passed)


def banking77(data: Path, rows: int, test_rows: int) -> tuple[dict[str, Any], bool]:
    """Return the figures on Banking77, and whether the bar is passed."""
    train = per_class(read_banking77(data, "train"), rows)
    test = per_class(read_banking77(data, "test"), test_rows)
    names = class_names(train)
    print(f"Banking77: {len(names)} classes, {len(train[0])} texts to train on, {len(test[0])} to test on", flush=True)
    ways: dict[str, Callable[[], Predicted]] = {
        "TF-IDF, logistic regression": lambda: by_words(train, test[0]),
        "linear layer alone": lambda: by_head(HeadType.CLASSIFICATION, names, train, test[0], LORA, 0, RATES["LoRA"]),
        "LoRA head": lambda: by_head(HeadType.CLASSIFICATION, names, train, test[0], LORA, EPOCHS["banking77"], RATES["LoRA"]),
        "full fine-tuning": lambda: by_head(
            HeadType.CLASSIFICATION, names, train, test[0], None, EPOCHS["banking77"], RATES["full"]
        ),
    }
    said = {name: timed(name, way, HeadType.CLASSIFICATION, test[1]) for name, way in ways.items()}
    gap = compare_heads(said["LoRA head"][0], said["full fine-tuning"][0], test[1], SAMPLING)
    passed = gap.delta is not None and gap.delta >= -POINTS
    print(
        f"LoRA head against full fine-tuning: {gap.delta:+.4f} ({gap.low} to {gap.high}, p {gap.p:.3f}); "
        f"bar: at least {-POINTS:+.2f}: {'passed' if passed else 'missed'}",
        flush=True,
    )
    return {"gap": gap.delta, **{name: figures for name, (_, figures) in said.items()}}, passed


def crossner(data: Path, domain: str) -> dict[str, Any]:
    """Return the figures on CrossNER."""
    train, test = read_crossner(data, f"{domain}-train"), read_crossner(data, f"{domain}-test")
    options = entity_options(train, test)
    print(f"CrossNER {domain}: {len(train[0])} sentences to train on, {len(test[0])} to test on", flush=True)
    embedder = load_embedder(EMBEDDER, "float32")
    ways: dict[str, Callable[[], Predicted]] = {
        "logistic regression on spelling": lambda: by_spelling(train, test[0]),
        "logistic regression on states": lambda: by_states(Tagged(embedder), train, test[0]),
        "LoRA head": lambda: by_head(HeadType.ENTITIES, options, train, test[0], LORA, EPOCHS["crossner"], RATES["LoRA"]),
    }
    if find_spec("spacy"):
        ways["spaCy, blank English"] = lambda: by_spacy(train, test[0])
    return {name: timed(name, way, HeadType.ENTITIES, test[1])[1] for name, way in ways.items()}


def timed(name: str, way: Callable[[], Predicted], kind: HeadType, true: Sequence[Label]) -> tuple[Predicted, dict[str, Any]]:
    """Run one way, print its figures, and return what it said with them."""
    started = time.monotonic()
    said = way()
    seconds = time.monotonic() - started
    figures = score_head(kind, said, true, SAMPLING)
    key, macro = figures[figures["metric"]], figures["macro_f1"]
    ends = "no interval" if key["low"] is None else f"{key['low']:.3f} to {key['high']:.3f}"
    print(
        f"  {name:<32} {figures['metric']} {key['mean']:.4f} ({ends}), macro-F1 {macro['mean']:.4f}, {seconds:.0f} s",
        flush=True,
    )
    return said, {"metric": figures["metric"], "key": key, "macro_f1": macro, "seconds": round(seconds, 1)}


def per_class(texts: Texts, rows: int) -> Texts:
    """Return so many texts of each class, drawn at random; all for 0."""
    found: dict[str, list[int]] = {}
    for number in random.Random(SEED).sample(range(len(texts[0])), len(texts[0])):
        found.setdefault(class_of(texts[1][number]), []).append(number)
    kept = sorted(number for own in found.values() for number in own[: rows or None])
    return [texts[0][number] for number in kept], [texts[1][number] for number in kept]


def class_of(label: Label) -> str:
    """Return the class of a label."""
    assert isinstance(label, Classes)
    return label.labels[0]


def class_names(texts: Texts) -> tuple[str, ...]:
    """Return the classes of texts."""
    return tuple(sorted({class_of(label) for label in texts[1]}))


def entity_options(*parts: Texts) -> tuple[str, ...]:
    """Return the tags of entities in texts."""
    names = sorted({region.label for part in parts for label in part[1] for region in label.stretches()})
    return ("O", *(f"{side}-{name}" for name in names for side in "BI"))


def by_head(
    kind: HeadType,
    options: tuple[str, ...],
    train: Texts,
    asked: Sequence[str],
    shape: LoraShape | None,
    epochs: int,
    rate: float,
) -> Predicted:
    """Train a head, or with no shape all weights of the encoder, and ask it."""
    base = find_base("embedder", EMBEDDER)
    network, tokenizer = make_network(base, len(options), shape, SEED)
    window = window_of(network, tokenizer)
    examples = make_examples(kind, [Item(text, (label,)) for text, label in zip(*train, strict=True)], options)
    lesson = make_lesson(kind, examples, tokenizer, window)
    with tempfile.TemporaryDirectory() as folder:
        if epochs:
            schedule = Schedule(rate, 1_000_000, SEED, 0.01)
            fit_head(network, lesson, epochs, BATCH, schedule, Path(folder), Silent())
        else:
            fit_output(network, lesson)
    head = Head(HeadConfig(kind, options, base.name, base.sha256, window), network, tokenizer)
    return [label_of(head.config, scored)[0] for scored in head.score(asked)]


def by_words(train: Texts, asked: Sequence[str]) -> Predicted:
    """Classify by TF-IDF of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=30, max_iter=500))
    model.fit(train[0], [class_of(label) for label in train[1]])
    return [Classes((str(name),)) for name in model.predict(asked)]


def by_spelling(train: Texts, asked: Sequence[str]) -> Predicted:
    """Tag words by how they and their neighbours are written."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rows = [spelled(text) for text in train[0]]
    tags = [bio_tags(tokenise(text), list(label.stretches())) for text, label in zip(*train, strict=True)]
    model = make_pipeline(DictVectorizer(), LogisticRegression(C=10, max_iter=300))
    model.fit([row for own in rows for row in own], [tag for own in tags for tag in own])
    names = list(model.classes_)
    return [tagged(text, model.predict_proba(spelled(text)).astype(np.float32), names) for text in asked]


def spelled(text: str) -> list[dict[str, Any]]:
    """Return the features of each word: itself, its ends and shape, and the words beside it."""
    words = [text[start:end] for start, end in tokenise(text)]
    found = []
    for number, word in enumerate(words):
        row: dict[str, Any] = {"word": word.lower(), "upper": word[:1].isupper(), "digit": any(map(str.isdigit, word))}
        row |= {f"end{n}": word[-n:].lower() for n in (2, 3)} | {"start": word[:3].lower(), "all": word.isupper()}
        for step in (-2, -1, 1, 2):
            if 0 <= number + step < len(words):
                row[f"word{step}"] = words[number + step].lower()
                row[f"upper{step}"] = words[number + step][:1].isupper()
        found.append(row)
    return found


def by_states(learner: Tagged, train: Texts, asked: Sequence[str]) -> Predicted:
    """Tag words by the encoder's states as they are: what active learning goes by."""
    model = learner.fit(learner.features(train[0]), learner.targets(*train))
    assert model is not None
    features = learner.features(asked)
    parts = features.split(model.probabilities(features.rows)[:, 0])
    return [tagged(text, own, model.options) for text, own in zip(asked, parts, strict=True)]


def tagged(text: str, probabilities: Any, names: Sequence[str]) -> Label:
    """Return the entities of a text by its words' tags."""
    words = tokenise(text)
    spans = sorted(entity_spans(decode(probabilities, names)))
    return Entities(
        tuple(Region(str(n), words[first][0], words[behind - 1][1], name) for n, (first, behind, name) in enumerate(spans))
    )


def by_spacy(train: Texts, asked: Sequence[str]) -> Predicted:
    """Train spaCy's own network from nothing, without vectors of words."""
    import spacy
    from spacy.training import Example
    from spacy.util import fix_random_seed

    fix_random_seed(SEED)
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("ner")
    examples = []
    for text, label in zip(*train, strict=True):
        marks = [(region.start, region.end, region.label) for region in label.stretches()]
        examples.append(Example.from_dict(nlp.make_doc(text), {"entities": marks}))
        for _, _, name in marks:
            pipe.add_label(name)
    optimiser = nlp.initialize(lambda: examples)
    draw = random.Random(SEED)
    for _ in range(30):
        draw.shuffle(examples)
        for start in range(0, len(examples), 16):
            nlp.update(examples[start : start + 16], sgd=optimiser, drop=0.2)
    found = []
    for doc in nlp.pipe(asked):
        marked = [(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents]
        found.append(Entities(tuple(Region(str(n), *mark) for n, mark in enumerate(marked))))
    return found


def sweep(options: argparse.Namespace) -> None:
    """Print figures of rates and epochs on texts that are only for choosing."""
    texts, labels = read_banking77(options.data, "train")
    half = sorted(np.random.default_rng(HALF_SEED).permutation(len(texts))[: len(texts) // 2].tolist())
    chosen = per_class(([texts[row] for row in half], [labels[row] for row in half]), 25)
    held = set(per_class(chosen, 8)[0])
    train, test = (
        tuple(
            list(part) for part in zip(*[pair for pair in zip(*chosen, strict=True) if (pair[0] in held) is side], strict=True)
        )
        for side in (False, True)
    )
    names = class_names((list(texts), list(labels)))
    if options.only in {None, "banking77"}:
        for name, shape, rates in (("LoRA", LORA, (5e-4, 1e-3, 2e-3)), ("full", None, (5e-5, 1e-4, 2e-4))):
            for rate in rates:
                timed(
                    f"{name} {rate:g}",
                    lambda s=shape, r=rate: by_head(HeadType.CLASSIFICATION, names, train, test[0], s, 4, r),
                    HeadType.CLASSIFICATION,
                    test[1],
                )
    if options.only in {None, "crossner"}:
        learned, asked = read_crossner(options.data, "politics-train"), read_crossner(options.data, "politics-dev")
        tags = entity_options(learned, asked)
        for epochs in (4, 8, 16):
            for rate in (5e-4, 1e-3, 2e-3):
                timed(
                    f"LoRA {rate:g}, {epochs} epochs",
                    lambda r=rate, e=epochs: by_head(HeadType.ENTITIES, tags, learned, asked[0], LORA, e, r),
                    HeadType.ENTITIES,
                    asked[1],
                )


if __name__ == "__main__":
    sys.exit(main())
