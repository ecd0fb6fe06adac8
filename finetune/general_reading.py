"""General reading: questions on encyclopaedia paragraphs (SQuAD), from which a reader learns to read before it sees a domain.

SQuAD 1.1 and 2.0 (Rajpurkar et al., arXiv 1606.05250 and 1806.03822; CC BY-SA 4.0) as one file of paragraphs.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doyen.core.errors import InputError
from doyen.core.sentences import sentence_ends
from doyen.finetune.reader_training import ReadingExample
from doyen.finetune.similarity import content_words
from doyen.finetune.swapped_questions import swap_value, values_of

HELD_OUT = 8
"""Articles that training never sees; the figures on the reader's card are of them."""
OTHER_PARAGRAPH = 0.5
"""Share of answerable questions that also come with another paragraph of their article, which does not answer them."""
SWAPPED = 0.2
"""Share of answerable questions that also come with another value in them, so that their paragraph does not answer them."""
SIMILAR = 5
"""The other paragraph is one of this many that share most content words with the question."""


@dataclass(frozen=True)
class Query:
    """A question on a paragraph.

    Attributes:
        answers: what several people marked; empty where the paragraph does not answer.
    """

    id: str
    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of an article and its questions."""

    article: str
    text: str
    queries: tuple[Query, ...]


def read_paragraphs(path: Path) -> list[Paragraph]:
    """Read a file of paragraphs: SQuAD's own JSON, or one JSON object a line with title, context and questions.

    Raises:
        InputError: it is neither.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist: name a file of paragraphs with questions")
    if path.suffix == ".json":
        return _read_squad(path)
    found = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            queries = tuple(_query(item) for item in data["questions"])
            found.append(Paragraph(data["title"], data["context"], queries))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}, line {number} is no paragraph with its questions ({error})") from error
    return found


def _read_squad(path: Path) -> list[Paragraph]:
    """Read SQuAD's JSON, of either version."""
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        return [
            Paragraph(article["title"], paragraph["context"], tuple(_squad_query(item) for item in paragraph["qas"]))
            for article in articles
            for paragraph in article["paragraphs"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not in SQuAD's form ({error!r})") from error


def _squad_query(data: Any) -> Query:
    answers = [] if data.get("is_impossible") else data["answers"]
    return Query(data["id"], data["question"], tuple(answer["text"] for answer in answers))


def _query(data: Any) -> Query:
    return Query(data["id"], data["question"], tuple(data["answers"]) if data["answerable"] else ())


def hold_out(paragraphs: Sequence[Paragraph], seed: int, articles: int = HELD_OUT) -> tuple[list[Paragraph], list[Paragraph]]:
    """Return the paragraphs to train on, and those of some articles that are held out, a fifth of all at most."""
    titles = sorted({item.article for item in paragraphs})
    held = set(random.Random(f"{seed}/articles").sample(titles, min(articles, len(titles) // 5)))
    return [item for item in paragraphs if item.article not in held], [item for item in paragraphs if item.article in held]


def make_examples(paragraphs: Sequence[Paragraph], seed: int, number: int) -> list[ReadingExample]:
    """Return the examples of one epoch; each epoch draws other negatives and takes another person's answer.

    Args:
        number: of the epoch, from 0.
    """
    draw = random.Random(f"{seed}/{number}")
    words = [content_words(item.text) for item in paragraphs]
    values = _values(paragraphs)
    examples = []
    for paragraph in paragraphs:
        others = [place for place, item in enumerate(paragraphs) if item.article == paragraph.article and item is not paragraph]
        for query in paragraph.queries:
            examples.append(
                answered(query, paragraph.text, number) if query.answers else ReadingExample(query.question, paragraph.text)
            )
            if query.answers and draw.random() < OTHER_PARAGRAPH and others:
                asked = content_words(query.question)
                similar = sorted(others, key=lambda place: -len(asked & words[place]))[:SIMILAR]
                examples += _negative(query, paragraphs[draw.choice(similar)].text)
            if query.answers and draw.random() < SWAPPED:
                changed = swap_value(query.question, [paragraph.text], values[paragraph.article], draw)
                examples += [ReadingExample(changed, paragraph.text)] if changed else []
    return examples


def replayed_examples(paragraphs: Sequence[Paragraph], count: int, seed: int, number: int) -> list[ReadingExample]:
    """Return that many of an epoch's general examples, drawn at random: with them, a domain's training forgets less."""
    examples = make_examples(paragraphs, seed, number)
    return random.Random(f"{seed}/{number}/replay").sample(examples, min(count, len(examples)))


def _values(paragraphs: Sequence[Paragraph]) -> dict[str, list[str]]:
    """Return the values that the questions on each article hold."""
    questions: dict[str, list[str]] = {}
    for paragraph in paragraphs:
        questions.setdefault(paragraph.article, []).extend(query.question for query in paragraph.queries)
    return {article: values_of(asked) for article, asked in questions.items()}


def answered(query: Query, text: str, number: int) -> ReadingExample:
    """Return the example of one of the marked answers, at the place whose sentence shares most words with the question."""
    answer = query.answers[number % len(query.answers)]
    asked, begin = content_words(query.question), 0
    shares: list[tuple[int, int]] = []
    for end in sentence_ends(text):
        start = text.find(answer, begin, end)
        if start >= 0:
            shares.append((len(asked & content_words(text[begin:end])), -start))
        begin = end
    start = -max(shares)[1] if shares else text.find(answer)
    return ReadingExample(query.question, text, True, (start, start + len(answer)) if start >= 0 else None)


def _negative(query: Query, text: str) -> list[ReadingExample]:
    """Return the example of a paragraph that does not answer; none where it holds one of the answers."""
    return [] if any(answer.lower() in text.lower() for answer in query.answers) else [ReadingExample(query.question, text)]
