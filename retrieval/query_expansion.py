"""Abbreviations and other names in queries: the short form also finds what is written out, and the other way round.

What stands for what is learnt from the documents (ingestion/abbreviations.py, other_names.py). A form that the documents use
for different things is not expanded.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from doyen.retrieval.document_facts import Facts
from doyen.retrieval.tokens import tokens

CLEAR = 2 / 3
"""Share of the documents explaining a form that must mean the same by it."""
MOST_EXPANDED = 4
"""Forms that are added to one query: more would drown it."""
_TERM = re.compile(r"\w[\w&/.\-]*\w|\w")


class OtherForms:
    """Short and long forms, and other names, of a corpus."""

    def __init__(self, long_forms: Mapping[str, str], names: Mapping[str, str] | None = None) -> None:
        """Take the forms.

        Args:
            long_forms: short form → long form.
            names: other name → name.
        """
        self._long = dict(long_forms)
        self._by_token: dict[str, list[tuple[frozenset[str], str]]] = defaultdict(list)
        for short, long in self._long.items():
            if len(tokens(long)) > 1:
                self._add(long, short)
        for other, name in (names or {}).items():
            self._add(other, name)
            if _is_telling(name):
                self._add(name, other)

    def of(self, query: str) -> list[str]:
        """Return the other form of each abbreviation and name that a query has in one form and not in the other."""
        words, held = _TERM.findall(query), tokens(query)
        known = set(held)
        found = [
            self._long[short] for short in map(self._short, words) if short and not set(tokens(self._long[short])) <= known
        ]
        for token in dict.fromkeys(held):
            for needed, other in self._by_token.get(token, []):
                there = set(tokens(other))
                if needed <= known and not (there and there <= known) and not any(self._short(word) == other for word in words):
                    found.append(other)
        return list(dict.fromkeys(found))[:MOST_EXPANDED]

    def expand(self, query: str) -> str:
        """Return the query with the other forms in brackets behind it."""
        others = self.of(query)
        return f"{query} ({'; '.join(others)})" if others else query

    def _add(self, form: str, other: str) -> None:
        if needed := tokens(form):
            self._by_token[needed[0]].append((frozenset(needed), other))

    def _short(self, word: str) -> str | None:
        """Return the short form that a word is, its plural s left aside; case counts, "who" is not the WHO."""
        return next((each for each in (word, word.removesuffix("s")) if each in self._long), None)


def learn_forms(facts: Facts) -> OtherForms:
    """Return the abbreviations and other names that documents explain, without those that mean different things."""
    short = _clear((form, long) for each in facts.values() for form, long in each.abbreviations.items())
    named = _clear((form.casefold(), name) for each in facts.values() for form, name in each.other_names.items())
    return OtherForms(short, named)


def _is_telling(name: str) -> bool:
    """Whether a name is more than one common word: "unit" stands for many things."""
    return len(name.split()) > 1 or not name.islower()


def _clear(explained: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the meaning of each form that is clear enough."""
    meanings: dict[str, Counter[str]] = defaultdict(Counter)
    for form, meant in explained:
        meanings[form][" ".join(meant.split())] += 1
    clear = {form: _clear_meaning(found) for form, found in meanings.items()}
    return {form: meant for form, meant in clear.items() if meant is not None}


def _clear_meaning(forms: Counter[str]) -> str | None:
    """Return the most frequent long form, None where too many documents mean something else."""
    agreeing = {form: sum(count for other, count in forms.items() if _same(form, other)) for form in forms}
    best = max(forms, key=lambda form: (agreeing[form], forms[form], form))
    return best if agreeing[best] >= CLEAR * forms.total() else None


def _same(one: str, other: str) -> bool:
    """Whether two long forms are spellings of one: they share most of their stems."""
    mine, theirs = set(tokens(one)), set(tokens(other))
    return 2 * len(mine & theirs) >= len(mine | theirs)
