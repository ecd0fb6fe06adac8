"""Rewrites by a model: paraphrases, a word exchanged in its context, and translation there and back.

The prompts are part of what a variant is made from: ``VERSION`` goes up when one of them changes.
"""

from __future__ import annotations

import random

from doyen.core.writing_models import WritingModel
from doyen.finetune.supervision.variants.kept_words import free_words, like, replace_at

VERSION = 1
LANGUAGES = ("German", "French", "Spanish")
LEAST_LETTERS = 5
_PARAPHRASE = (
    "Rewrite this question in other words, as a colleague would ask it. Keep all names, numbers and codes. "
    "Answer with the question only.\n\n{text}"
)
_WORD = (
    'Which one word could stand for "{word}" in this sentence without changing its meaning? '
    "Answer with the word only.\n\n{text}"
)
_THERE = "Translate into {language}. Answer with the translation only.\n\n{text}"
_BACK = "Translate from {language} into English. Answer with the translation only.\n\n{text}"


def paraphrase(text: str, draw: random.Random, model: WritingModel) -> str:
    """Return the question in other words."""
    return _line(model.write(_PARAPHRASE.format(text=text), temperature=0.7, seed=draw.randrange(2**31)))


def exchange_in_context(text: str, draw: random.Random, model: WritingModel) -> str:
    """Return the text with one longer word exchanged for what the model puts in its place; unchanged without a single word."""
    long = [place for place in free_words(text) if place[1] - place[0] >= LEAST_LETTERS]
    if not long:
        return text
    start, end = draw.choice(long)
    word = text[start:end]
    prompt = _WORD.format(word=word, text=text)
    other = _line(model.write(prompt, max_tokens=12, seed=draw.randrange(2**31))).strip(" .\"'")
    return replace_at(text, {(start, end): like(word, other.lower())}) if other.isalpha() else text


def translate_and_back(text: str, draw: random.Random, model: WritingModel) -> str:
    """Return the text after a translation into another language and back."""
    language = draw.choice(LANGUAGES)
    there = _line(model.write(_THERE.format(language=language, text=text)))
    return _line(model.write(_BACK.format(language=language, text=there))) if there else text


def _line(answer: str) -> str:
    """Return the first line of an answer that says something, without quotation marks around it."""
    lines = [line.strip().strip('"“”') for line in answer.splitlines()]
    return next((line for line in lines if line), "")
