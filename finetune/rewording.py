"""Labelled questions in other words: pairs are worded like the documents that they were made from, users' questions are not.

Words are exchanged for near ones in the encoder's table of word vectors (Wang & Yang, EMNLP 2015), and little words and the
question mark are left out as people leave them out. Now and then a word turns into its opposite, or the question no longer
makes sense: good enough to measure how sure a reader is of questions in strange words, not good enough to learn answers from.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from itertools import cycle, islice

from torch import Tensor
from torch.nn.functional import normalize

from doyen.core.quantities import find_values
from doyen.core.records import Pair
from doyen.retrieval.tokens import STOPWORDS

EXCHANGED = 0.5
"""Share of the content words that are exchanged where a near one is known."""
NEAREST = 4
"""Near words among which one is drawn."""
STEM = 4
"""Words that begin with the same letters are forms of one word, not others for it."""
TIMES = 3
"""Rewordings of each pair where there are few."""
MOST = 150
"""Rewordings of all pairs together."""
_WORD = re.compile(r"[A-Za-z]+")
_LEFT_OUT = frozenset(["a", "an", "the", "of", "is", "are", "do", "does"])


class Rewording:
    """Near words by the vectors of an encoder's vocabulary."""

    def __init__(self, vectors: Tensor, vocabulary: Mapping[str, int]) -> None:
        """Take a table of word vectors.

        Args:
            vectors: (V, D) one for each token.
            vocabulary: row of each token.
        """
        rows = {token: row for token, row in vocabulary.items() if len(token) > 2 and token.isascii() and token.isalpha()}
        self._words = [token for token in rows if token not in STOPWORDS]
        table = vectors.detach().float()[[rows[word] for word in self._words]]
        self._unit = normalize(table - table.mean(0), dim=1)
        self._place = {word: place for place, word in enumerate(self._words)}
        self._near: dict[str, list[str]] = {}

    def near(self, word: str) -> list[str]:
        """Return up to `NEAREST` other words with vectors like this one's; none for a word outside the vocabulary."""
        if word not in self._near:
            self._near[word] = self._find(self._place[word]) if word in self._place else []
        return self._near[word]

    def _find(self, place: int) -> list[str]:
        word, most = self._words[place], min(4 * NEAREST, len(self._words))
        others = [self._words[other] for other in (self._unit @ self._unit[place]).topk(most).indices.tolist()]
        return [other for other in others if other[:STEM] != word[:STEM]][:NEAREST]

    def reword(self, question: str, draw: random.Random) -> str:
        """Return the question in other words; its codes, numbers and names stay as they are."""
        values = find_values(question)
        terse = draw.random() < 0.5

        def exchange(match: re.Match[str]) -> str:
            word = match.group()
            if any(start < match.end() and match.start() < end for start, end in values):
                return word
            if word.lower() in _LEFT_OUT:
                return "" if terse else word
            near = self.near(word.lower()) if draw.random() < EXCHANGED else []
            return draw.choice(near) if near else word

        reworded = " ".join(_WORD.sub(exchange, question).split())
        return (reworded.rstrip("?").rstrip() if terse else reworded) or question

    def pairs(self, pairs: Sequence[Pair], seed: int) -> list[Pair]:
        """Return the pairs in other words, each up to `TIMES` times, `MOST` in all."""
        draw = random.Random(f"{seed}/reworded")
        chosen = islice(cycle(draw.sample(pairs, len(pairs))), min(MOST, TIMES * len(pairs)))
        return [pair.model_copy(update={"prompt": self.reword(pair.prompt, draw)}) for pair in chosen]
