"""Filters of a dataset: length, language, and lines that many prompts share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from doyen.core.errors import InputError
from doyen.core.records import TEXT_MARK, Pair
from doyen.core.settings import DatasetSettings
from doyen.core.text import normalise, words
from doyen.finetune.dataset.languages import known_languages, surely_in

if TYPE_CHECKING:
    from doyen.finetune.dataset.labels import Cleaned

SHARED_BY = 5
"""Different prompts from which on a line of theirs is boilerplate, or"""
SHARED_SHARE = 0.02
"""so many of all prompts, where that is more."""


def filter_pairs(cleaned: Cleaned, recipe: DatasetSettings) -> None:
    """Leave out pairs that are too short, too long, or in another language.

    Raises:
        InputError: a language is not known.
    """
    if unknown := set(recipe.languages) - known_languages():
        raise InputError(
            f"dataset.languages: {sorted(unknown)[0]!r} cannot be told; known: {', '.join(sorted(known_languages()))}"
        )
    cleaned.drop("length", {pair.id: why for pair in cleaned.pairs if (why := _wrong_length(pair, recipe))})
    if recipe.languages:
        told = {pair.id: surely_in(f"{text_of(pair)} {pair.response}") for pair in cleaned.pairs}
        unsure = sum(code is None for code in told.values())
        wrong = {name: f"it is in {code!r}" for name, code in told.items() if code and code not in recipe.languages}
        cleaned.drop("language", wrong)
        if unsure:
            cleaned.notes.append(f"the language of {unsure} pairs could not be told: they are kept")


def strip_boilerplate(cleaned: Cleaned, recipe: DatasetSettings) -> None:
    """Leave out prompts that are nothing but lines that many share, and strip such lines from others if asked to."""
    if recipe.boilerplate == "keep":
        return
    shared = _shared_lines(cleaned.pairs)
    left = {pair.id: _without(pair, shared) for pair in cleaned.pairs}
    cleaned.drop("boilerplate", {name: "its prompt is boilerplate" for name, text in left.items() if not text.strip()})
    if recipe.boilerplate == "strip":
        changed = [pair.id for pair in cleaned.pairs if left[pair.id] != text_of(pair)]
        cleaned.pairs = [_with_text(pair, left[pair.id]) if pair.id in changed else pair for pair in cleaned.pairs]
        if changed:
            cleaned.notes.append(f"{len(shared)} lines that many prompts share were stripped from {len(changed)} prompts")


def text_of(pair: Pair) -> str:
    """Return the prompt; of a labelling task the text alone."""
    return pair.prompt.partition(TEXT_MARK)[2] or pair.prompt


def _with_text(pair: Pair, text: str) -> Pair:
    task, mark, given = pair.prompt.partition(TEXT_MARK)
    return pair.model_copy(update={"prompt": f"{task}{mark}{text}" if given else text})


def _wrong_length(pair: Pair, recipe: DatasetSettings) -> str | None:
    asked, answered = len(words(text_of(pair))), len(words(pair.response))
    if asked < recipe.min_words:
        return f"its prompt has {asked} words, fewer than {recipe.min_words}"
    if recipe.max_words is not None and max(asked, answered) > recipe.max_words:
        return f"it has {max(asked, answered)} words, more than {recipe.max_words}"
    return None


def _shared_lines(pairs: list[Pair]) -> frozenset[str]:
    """Return the lines that many different prompts hold, normalised."""
    texts = {normalise(text_of(pair)): text_of(pair) for pair in pairs}.values()
    counts = Counter(line for text in texts for line in {normalise(line) for line in text.splitlines()} if line)
    least = max(SHARED_BY, SHARED_SHARE * len(texts))
    return frozenset(line for line, count in counts.items() if count >= least)


def _without(pair: Pair, shared: frozenset[str]) -> str:
    text = text_of(pair)
    kept = [line for line in text.splitlines() if normalise(line) not in shared]
    return text if len(kept) == len(text.splitlines()) else "\n".join(kept).strip()
