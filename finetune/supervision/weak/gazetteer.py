"""Finding many known names in texts, whole words only: the table of a knowledge base as a labelling function."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from doyen.core.errors import InputError
from doyen.finetune.supervision.weak.functions import Marked

_PIECE = re.compile(r"\w+|[^\w\s]")


class Gazetteer:
    """Names with their labels.

    Args:
        names: (name, label); names of blanks alone are left out.
        match_case: whether capitals count.
    """

    def __init__(self, names: Iterable[tuple[str, str]], *, match_case: bool = False) -> None:
        self._match_case = match_case
        self._by_first: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
        for name, label in names:
            pieces = tuple(self._same(match.group()) for match in _PIECE.finditer(name))
            if pieces:
                self._by_first[pieces[0]].setdefault(pieces, label)
        self._longest = {first: sorted(own.items(), key=lambda entry: -len(entry[0])) for first, own in self._by_first.items()}

    def __len__(self) -> int:
        return sum(map(len, self._by_first.values()))

    def find(self, text: str) -> list[Marked]:
        """Return where names stand, from left to right without overlap; of those that begin together the longest."""
        places = [match.span() for match in _PIECE.finditer(text)]
        pieces = [self._same(text[start:end]) for start, end in places]
        found: list[Marked] = []
        at = 0
        while at < len(pieces):
            for name, label in self._longest.get(pieces[at], ()):
                if tuple(pieces[at : at + len(name)]) == name:
                    found.append((places[at][0], places[at + len(name) - 1][1], label))
                    at += len(name) - 1
                    break
            at += 1
        return found

    def _same(self, piece: str) -> str:
        return piece if self._match_case else piece.casefold()


def read_gazetteer(
    path: Path, column: str | None, label: str | None, label_column: str | None, *, match_case: bool = False
) -> Gazetteer:
    """Read names from a CSV file with a heading.

    Args:
        column: of the names; None: the first.
        label: of all names; or
        label_column: the column that holds each name's label.

    Raises:
        InputError: the file cannot be read or holds no name, a column is missing, or both or neither label is given.
    """
    if (label is None) == (label_column is None):
        raise InputError(f"a gazetteer of {path.name} needs either label or label_column")
    gazetteer = Gazetteer(_names(path, column, label, label_column), match_case=match_case)
    if not len(gazetteer):
        raise InputError(f"{path} holds no names: expected a CSV table with a heading and one name a row")
    return gazetteer


def _names(path: Path, column: str | None, label: str | None, label_column: str | None) -> Iterator[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = list(reader.fieldnames or [])
            missing = [name for name in (column, label_column) if name is not None and name not in columns]
            if missing:
                raise InputError(f"{path} has no column {missing[0]!r}, but {', '.join(columns)}: correct the rule")
            for row in reader:
                name = row[column or columns[0]] or ""
                own = label or row[str(label_column)] or ""
                if name.strip() and own.strip():
                    yield name, own.strip()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): name the table of names") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no UTF-8 CSV table ({error}): save it as 'CSV UTF-8'") from error
