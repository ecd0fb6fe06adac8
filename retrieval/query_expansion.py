"""Abbreviations in queries: the short form also finds what is written out, and the other way round.

What abbreviates what is learnt from the documents (ingestion/abbreviations.py). A short form that the documents use for
different things is not expanded.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping

from doyen.retrieval.document_facts import Facts
from doyen.retrieval.tokens import tokens

CLEAR = 2 / 3
"""Share of the documents explaining a short form that must mean the same by it."""
MOST_EXPANDED = 4
"""Abbreviations of one query: more would drown it."""
_TERM = re.compile(r"\w[\w&/.\-]*\w|\w")


class Abbreviations:
    """Short and long forms of a corpus."""

    def __init__(self, long_forms: Mapping[str, str]) -> None:
        """Take short form → long form."""
        self._long = dict(long_forms)
        self._by_token: dict[str, list[tuple[str, frozenset[str]]]] = defaultdict(list)
        for short, long in self._long.items():
            needed = tokens(long)
            if len(needed) > 1:
                self._by_token[needed[0]].append((short, frozenset(needed)))

    def found_in(self, query: str) -> list[tuple[str, str]]:
        """Return (short form, long form) of what a query names by either one and not by both."""
        words = _TERM.findall(query)
        held = tokens(query)
        known = set(held)
        found: dict[str, str] = {}
        for named in filter(None, map(self._short, words)):
            if not set(tokens(self._long[named])) <= known:
                found[named] = self._long[named]
        for token in held:
            for short, needed in self._by_token.get(token, []):
                if needed <= known and not any(self._short(word) == short for word in words):
                    found[short] = self._long[short]
        return list(found.items())[:MOST_EXPANDED]

    def other_forms(self, query: str) -> list[str]:
        """Return the other form of each abbreviation that a query names by one."""
        known = set(tokens(query))
        return [short if set(tokens(long)) <= known else long for short, long in self.found_in(query)]

    def expand(self, query: str) -> str:
        """Return the query with the other forms in brackets behind it."""
        others = self.other_forms(query)
        return f"{query} ({'; '.join(others)})" if others else query

    def _short(self, word: str) -> str | None:
        """Return the short form that a word is, its plural s left aside; case counts, "who" is not the WHO."""
        return next((each for each in (word, word.removesuffix("s")) if each in self._long), None)


def learn_abbreviations(facts: Facts) -> Abbreviations:
    """Return the abbreviations that documents explain, without those that mean different things."""
    meanings: dict[str, Counter[str]] = defaultdict(Counter)
    for each in facts.values():
        for short, long in each.abbreviations.items():
            meanings[short][" ".join(long.split())] += 1
    clear = {short: _clear_meaning(forms) for short, forms in meanings.items()}
    return Abbreviations({short: form for short, form in clear.items() if form is not None})


def _clear_meaning(forms: Counter[str]) -> str | None:
    """Return the most frequent long form, None where too many documents mean something else."""
    agreeing = {form: sum(count for other, count in forms.items() if _same(form, other)) for form in forms}
    best = max(forms, key=lambda form: (agreeing[form], forms[form], form))
    return best if agreeing[best] >= CLEAR * forms.total() else None


def _same(one: str, other: str) -> bool:
    """Whether two long forms are spellings of one: they share most of their stems."""
    mine, theirs = set(tokens(one)), set(tokens(other))
    return 2 * len(mine & theirs) >= len(mine | theirs)
