"""Part-of-speech tags: one stretch a token, in order and without overlap."""

from __future__ import annotations

from typing import Any

from doyen.annotation.types.answer_lines import lines_of, place_of, quote
from doyen.annotation.types.descriptions import NOTHING, TaskDescription
from doyen.annotation.types.tagger import tag_tokens as propose
from doyen.annotation.types.typed_labels import Region, Tags

__all__ = ["answer", "instruction", "parse", "propose", "row"]


def instruction(description: TaskDescription) -> str:
    """Return what a model is asked to do."""
    return (
        "Tag every token of the text with its part of speech. Answer with one line for each token, in the order of "
        f"the text: TAG: token. If there is no token, answer {NOTHING}."
    )


def answer(label: Tags, text: str, description: TaskDescription) -> str:
    """Return one line a token: "NOUN: pump"."""
    lines, last = [], 0
    for token in label.regions:
        lines.append(f"{token.label}: {quote(text, token.start, token.end, after=last)}")
        last = token.end
    return "\n".join(lines) or NOTHING


def parse(answer: str, text: str, description: TaskDescription) -> tuple[Tags | None, list[str]]:
    """Read such lines; each token is looked for behind the one before it."""
    tokens: list[Region] = []
    problems: list[str] = []
    for line in lines_of(answer):
        found = place_of(line, text, description.label_names, after=tokens[-1].end if tokens else 0)
        if isinstance(found, str):
            problems.append(found)
        else:
            tokens.append(Region(str(len(tokens) + 1), *found))
    return (None if problems and not tokens else Tags(tuple(tokens))), problems


def row(label: Tags, text: str) -> dict[str, Any]:
    """Return tokens and their tags."""
    tokens = [text[token.start : token.end] for token in label.regions]
    return {"text": text, "tokens": tokens, "upos": [token.label for token in label.regions]}
