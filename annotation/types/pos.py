"""Part-of-speech tags: one stretch a token, in order and without overlap."""

from __future__ import annotations

from typing import Any

from doyen.annotation.contracts import Proposal, Result
from doyen.annotation.descriptions import NOTHING, TaskDescription
from doyen.annotation.records import Region, Tags
from doyen.annotation.types import screen
from doyen.annotation.types.answers import find, quote, split_label
from doyen.annotation.types.regions import MARKS, MarksReader, short, write_marks
from doyen.annotation.types.tagger import tag_tokens


class TagsKind:
    """Implements ``Kind`` for ``Tags``."""

    label_type = Tags

    def screen(self, description: TaskDescription) -> str:
        """Return the labelling configuration; marks snap to nothing, because tokens are often parts of words."""
        return screen.screen(description, [screen.marks(MARKS, description)], granularity="symbol")

    def read(self, result: Result, text: str, description: TaskDescription) -> tuple[Tags | None, list[str]]:
        """Return the tokens in order; of two that overlap the first."""
        reader = MarksReader(text, description.label_names)
        reader.take(result, None)
        kept: list[Region] = []
        for token in reader.regions:
            if kept and token.start < kept[-1].end:
                words = (short(text[other.start : other.end]) for other in (kept[-1], token))
                reader.problems.append(f"the tokens {' and '.join(words)} overlap at {token.start}")
            else:
                kept.append(token)
        return reader.label(Tags(tuple(kept))), reader.problems

    def write(self, label: Tags, text: str, uid: str) -> Result:
        """Return one region a token."""
        return write_marks(text, label.tokens)

    def instruction(self, description: TaskDescription) -> str:
        """Return what a model is asked to do."""
        return (
            "Tag every token of the text with its part of speech. Answer with one line for each token, in the order of "
            f"the text: TAG: token. If there is no token, answer {NOTHING}."
        )

    def answer(self, label: Tags, text: str, description: TaskDescription) -> str:
        """Return one line a token: "NOUN: pump"."""
        lines, last = [], 0
        for token in label.tokens:
            lines.append(f"{token.label}: {quote(text, token.start, token.end, after=last)}")
            last = token.end
        return "\n".join(lines) or NOTHING

    def parse(self, answer: str, text: str, description: TaskDescription) -> tuple[Tags | None, list[str]]:
        """Read such lines; each token is looked for behind the one before it."""
        tokens: list[Region] = []
        problems: list[str] = []
        last = 0
        for line in filter(None, map(str.strip, answer.split("\n"))):
            if line == NOTHING:
                continue
            parts = split_label(line, description.label_names)
            place = find(text, parts[1], after=last) if parts else None
            if parts is None or place is None:
                what = f"the text holds no {short(parts[1])} there" if parts else f"{short(line)} names no known tag"
                problems.append(what)
                continue
            tokens.append(Region(str(len(tokens) + 1), *place, parts[0]))
            last = place[1]
        return (None if problems and not tokens else Tags(tuple(tokens))), problems

    def row(self, label: Tags, text: str) -> dict[str, Any]:
        """Return tokens and their tags."""
        tokens = [text[token.start : token.end] for token in label.tokens]
        return {"text": text, "tokens": tokens, "upos": [token.label for token in label.tokens]}

    def propose(self, text: str, description: TaskDescription) -> Proposal | None:
        """Return tags by closed classes and endings."""
        return tag_tokens(text, description)
