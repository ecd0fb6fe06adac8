"""How well the reader finds answers, and how well it knows when there are none: ``python benchmarks/reading.py [PART …]``.

Parts: ``squad`` (articles that the general reader never saw, each question with its own paragraph), ``example`` and
``covidqa`` (a reader trained on the labelled pairs, questions answered by mode extract from what retrieval finds). Readers
are chosen on one half (the first half of the held-out articles; validation pairs; the example's development third; of
covidqa what ``--choosing`` measures), figures are of the other. A question is unanswerable where it is written so, and in
``covidqa`` where its own article is left out of the search; another may answer it even so.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from covidqa import load_items, split_by_document, to_pair, to_question, write_lines
from sklearn.metrics import roc_auc_score

from doyen import Doyen
from doyen.core.answers import Answer
from doyen.core.models import torch_dtype
from doyen.core.progress import Terminal
from doyen.core.records import Pair, Question, read_records
from doyen.core.settings import ServingSettings
from doyen.core.workspace import create_workspace
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.metrics import is_right, key_facts, overlap_f1, token_f1
from doyen.eval.retrieval_metrics import first_ranks
from doyen.finetune.general_reading import Paragraph, hold_out, make_examples, read_paragraphs
from doyen.finetune.gold_passages import load_sources
from doyen.retrieval.reading.reader import open_reader
from doyen.retrieval.reading.reader_files import GENERAL_READER

SEED = 17
KINDS = ("off-topic", "missing-property", "false-premise")
EXAMPLE = Path(__file__).parents[1] / "examples" / "quillane"


def main() -> int:
    """Measure the parts and return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--workspaces", type=Path, default=Path(".cache/reading"))
    parser.add_argument("--pairs", type=int, default=480, help="of covidqa, that a reader is trained on")
    parser.add_argument("--questions", type=int, default=1000, help="of covidqa, at most")
    parser.add_argument("--choosing", action="store_true", help="ask the half of covidqa's questions that choices are made on")
    parser.add_argument("parts", nargs="*", choices=[[], "squad", "example", "covidqa"])
    options = parser.parse_args()
    parts: dict[str, Callable[[], list[bool]]] = {
        "squad": lambda: squad(options.data),
        "example": lambda: example(options.workspaces / "example"),
        "covidqa": lambda: covidqa(
            options.data / "covidqa",
            options.workspaces / "covidqa",
            options.pairs,
            options.questions,
            choosing=options.choosing,
        ),
    }
    print(
        f"PyTorch with {torch.backends.cpu.get_cpu_capability()} and {torch.get_num_threads()} threads, {torch_dtype('auto')}"
    )
    passed = [each for name in options.parts or parts for each in parts[name]()]
    return int(not all(passed))


def squad(data: Path) -> list[bool]:
    """Measure the general reader on the second half of the held-out articles."""
    _, held = hold_out(read_paragraphs(data / "squad" / "paragraphs.jsonl"), SEED)
    articles = sorted({item.article for item in held})
    reported = [item for item in held if item.article in articles[len(articles) // 2 :]]
    reader = open_reader(GENERAL_READER)
    f1, answered, adversarial = [], [], []
    for paragraph in reported:
        for query in paragraph.queries:
            reading = reader.read(query.question, [paragraph.text])[0]
            if query.answers:
                span = reading.spans[0]
                f1.append(max(overlap_f1(paragraph.text[span.start : span.end], answer) for answer in query.answers))
                answered.append(reading.answers)
            else:
                adversarial.append(reading.answers)
    other = [reader.read(question, [text])[0].answers for question, text in _other_paragraphs(reported)]
    return [
        bar("squad: span F1", statistics.mean(f1), 0.75, len(f1)),
        bar("squad: AUROC adversarial", auroc(answered, adversarial), 0.85, len(adversarial)),
        bar("squad: AUROC other paragraph", auroc(answered, other), None, len(other)),
    ]


def _other_paragraphs(paragraphs: Sequence[Paragraph]) -> list[tuple[str, str]]:
    """Return questions with a paragraph of their article that does not answer them."""
    asked = {query.question for item in paragraphs for query in item.queries}
    own = {(query.question, item.text) for item in paragraphs for query in item.queries}
    pairs = [(each.question, each.passage) for each in make_examples(paragraphs, SEED, 0) if each.question in asked]
    return [pair for pair in pairs if pair not in own]


def example(folder: Path) -> list[bool]:
    """Measure a reader trained on the example domain's pairs on the questions outside its development third."""
    questions = read_records(EXAMPLE / "questions.jsonl", Question)
    with workspace(folder, EXAMPLE / "documents") as doyen:
        train(doyen, read_records(EXAMPLE / "pairs.jsonl", Pair), questions)
        reported = [question for question in questions if "development" not in question.tags]
        records = answer(doyen, reported)
        unseen = [item for item in records if {"unseen-document"} <= set(item[0].tags) and item[0].answerable]
        answered = [record.probability or 0.0 for question, record in records if question.answerable]
        passed = [
            *quality("example, unseen documents", unseen, 0.52),
            *quality("example, all", [item for item in records if item[0].answerable], None),
        ]
        for kind in KINDS:
            refused = [record.probability or 0.0 for question, record in records if kind in question.tags]
            passed.append(bar(f"example: AUROC {kind}", auroc(answered, refused), None, len(refused)))
        none = [record.probability or 0.0 for question, record in records if not question.answerable]
        passed.append(bar("example: AUROC unanswerable", auroc(answered, none), 0.85, len(none)))
        passed += marked("example", doyen, records)
        passed += ranking(doyen, [question for question in reported if question.answerable])
        return [*passed, seconds("example", [record for _, record in records])]


def covidqa(data: Path, folder: Path, pairs: int, limit: int, *, choosing: bool) -> list[bool]:
    """Measure a reader trained on pairs of 70% of the articles on half of the others.

    Args:
        pairs: a random sample of that many is trained on.
        limit: most questions that are asked.
    """
    sides = split_by_document(load_items(data))
    halves = split_by_document(sides["test"], train_share=0.5)
    learnt = random.Random(SEED).sample(sides["train"], min(pairs, len(sides["train"])))
    write_lines(folder / "questions.jsonl", map(to_question, sides["test"]))
    write_lines(folder / "pairs.jsonl", map(to_pair, learnt))
    ids = {to_question(item)["id"] for item in halves["train" if choosing else "test"]}
    held_out = read_records(folder / "questions.jsonl", Question)
    questions = [question for question in held_out if question.id in ids][:limit]
    with workspace(folder, data / "documents") as doyen:
        train(doyen, read_records(folder / "pairs.jsonl", Pair), held_out)
        records = answer(doyen, questions)
        own = load_sources(doyen.store, [str(question.source) for question in questions])
        without = [_ask_without(doyen, question, own[str(question.source)].document_id) for question in questions]
        given = [record.probability or 0.0 for _, record in records]
        return [
            *quality("covidqa", records, 0.40),
            *refusing(doyen, records, without),
            bar("covidqa: AUROC", auroc(given, without), 0.85, len(without)),
            *ranking(doyen, questions),
            seconds("covidqa", [record for _, record in records]),
        ]


def refusing(doyen: Doyen, records: Sequence[tuple[Question, Answer]], without: Sequence[float]) -> list[bool]:
    """Print what the reader refuses at the risk that is the default, and how right the answers are then.

    Args:
        without: probabilities of the same questions without their own article.
    """
    reader, risk = doyen.assistant.open_reader(), ServingSettings().risk
    least = reader.threshold(risk) if reader else 0.0
    kept = [item for item in records if (item[1].probability or 0.0) >= least]
    f1 = sum(token_f1(question, AnswerRecord.of("", question.id, record)) or 0.0 for question, record in kept)
    return [
        bar(f"covidqa: answered at risk {risk:g}", len(kept) / len(records), None, len(records)),
        bar("covidqa: token F1 of those", f1 / len(kept) if kept else 0.0, None, len(kept)),
        bar("covidqa: token F1, a refusal counts 0", f1 / len(records), None, len(records)),
        bar("covidqa: answered without their article", statistics.mean(each >= least for each in without), None, len(without)),
    ]


def marked(name: str, doyen: Doyen, records: Sequence[tuple[Question, Answer]]) -> list[bool]:
    """Print how right the answers are that are given without a mark, and how many of the right ones those are.

    A correct answer in other words than the reference's counts as wrong: only reading them tells, so there is no bar.
    """
    reader, risk = doyen.assistant.open_reader(), ServingSettings().risk
    least = reader.threshold(risk) if reader else 0.0
    given = [item for item in records if (item[1].probability or 0.0) >= least]
    right = [question.answerable and is_right(question, AnswerRecord.of("", question.id, each)) for question, each in given]
    unmarked = [all(sentence.mark == "supported" for sentence in record.sentences) for _, record in given]
    both = sum(good and bare for good, bare in zip(right, unmarked, strict=True))
    return [
        bar(f"{name}: answered at risk {risk:g}", len(given) / len(records), None, len(records)),
        bar(f"{name}: right among those", sum(right) / len(right), None, len(right)),
        bar(f"{name}: right among the unmarked", both / max(1, sum(unmarked)), None, sum(unmarked)),
        bar(f"{name}: right ones without a mark", both / max(1, sum(right)), None, sum(right)),
    ]


def _ask_without(doyen: Doyen, question: Question, document: str) -> float:
    passages = doyen.retriever.retrieve(question.question, doyen.settings.serving.read_passages, exclude_documents=[document])
    return doyen.assistant.ask(question.question, "extract", passages=passages, record=False).probability or 0.0


def workspace(folder: Path, documents: Path, settings: str = "") -> Doyen:
    """Return a workspace with the documents, whose readers never refuse: what is refused has no answer to measure.

    Args:
        settings: more lines of doyen.toml, those of [serving] first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".doyen").exists():
        create_workspace(folder, "reading")
    (folder / "doyen.toml").write_text(f'name = "reading"\n\n[serving]\nrisk = 1.0\n{settings}', encoding="utf-8")
    doyen = Doyen(folder, reporter=Terminal())
    doyen.ingest([documents])
    return doyen


def train(doyen: Doyen, pairs: Sequence[Pair], frozen: Sequence[Question]) -> None:
    """Train a reader on the pairs; the same training is not repeated."""
    started = time.monotonic()
    dataset, _ = doyen.build_dataset("reading", pairs=pairs, frozen=frozen)
    made = doyen.train_reader(dataset.dataset_id)
    print(f"{made.ref}: {made.manifest['validation']}, {time.monotonic() - started:.0f} s")


def answer(doyen: Doyen, questions: Sequence[Question], mode: str = "extract") -> list[tuple[Question, Answer]]:
    """Return the questions with their answers."""
    asked = doyen.assistant.ask
    return [(each, asked(each.question, mode, history=each.history, record=False)) for each in questions]


def quality(name: str, records: Sequence[tuple[Question, Answer]], least: float | None) -> list[bool]:
    """Print how right the answers are."""
    pairs = [(question, AnswerRecord.of("", question.id, record)) for question, record in records]
    f1 = [token_f1(*pair) or 0.0 for pair in pairs]
    facts = [score for pair in pairs if (score := key_facts(*pair)) is not None]
    return [
        bar(f"{name}: token F1", statistics.mean(f1), least, len(f1)),
        bar(f"{name}: key facts right", statistics.mean(facts), None, len(facts)) if facts else True,
    ]


def ranking(doyen: Doyen, questions: Sequence[Question]) -> list[bool]:
    """Print how often the first passages hold the evidence, as retrieved and as read."""
    reader = doyen.assistant.open_reader()
    hits: dict[tuple[str, int], list[bool]] = {}
    for question in questions:
        passages = doyen.retriever.retrieve(question.question, doyen.settings.serving.read_passages)
        orders = {"retrieved": passages, "read": reader.find(question.question, passages).passages if reader else passages}
        for name, order in orders.items():
            for k in (1, 3, 5):
                hits.setdefault((name, k), []).append(bool(first_ranks(question, order[:k])))
    return [bar(f"recall@{k}, as {name}", statistics.mean(found), None, len(found)) for (name, k), found in hits.items()]


def seconds(name: str, answers: Sequence[Answer]) -> bool:
    """Print how long a person waits for the extract."""
    middle = statistics.median(answer.timings.total_s for answer in answers)
    return bar(f"{name}: seconds to the extract, p50", middle, 0.5, len(answers), below=True)


def auroc(answered: Sequence[float], unanswered: Sequence[float]) -> float:
    """Return how often an answerable question scores above an unanswerable one."""
    labels = [1] * len(answered) + [0] * len(unanswered)
    return float(roc_auc_score(labels, [*answered, *unanswered]))


def bar(name: str, value: float, least: float | None, n: int, *, below: bool = False) -> bool:
    """Print a figure beside its bar and return whether it passes."""
    passed = least is None or (value <= least if below else value >= least)
    beside = "" if least is None else f"  (bar {least:g}: {'passed' if passed else 'MISSED'})"
    print(f"{name:<44} {value:6.3f}  n {n}{beside}", flush=True)
    return passed


if __name__ == "__main__":
    sys.exit(main())
