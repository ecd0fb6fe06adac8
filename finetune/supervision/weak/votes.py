"""What labelling functions say of texts: a matrix of votes, and each failure with its row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from doyen.core.errors import InputError
from doyen.core.progress import Reporter, Silent
from doyen.finetune.supervision.weak.functions import LabellingFunction, Marked, TextItem

ABSTAIN = -1
"""In a matrix of votes: the function says nothing of the text."""
OUTCOMES = ("does not apply", "applies")
"""What can be said of one of several classes; votes on it are positions here."""
MOST_CHARACTERS = 300
"""Of an exception's text: it may quote the whole document."""
T = TypeVar("T")
Matrix: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Failure:
    """A function that raised, or said what nobody can use; it counts as abstaining there.

    Attributes:
        row: of the text, from 1.
        problem: the exception, or what is wrong with the vote, on one line.
    """

    function: str
    row: int
    item_id: str
    problem: str

    def __str__(self) -> str:
        return f"{self.function}, row {self.row} ({self.item_id}): {self.problem}"


@dataclass(frozen=True)
class Votes:
    """The votes on the class of each text.

    Attributes:
        labels: the classes; votes are positions in it.
        functions: names, one for each column.
        matrix: (n texts, m functions), ``ABSTAIN`` where a function says nothing.
    """

    labels: tuple[str, ...]
    functions: tuple[str, ...]
    items: tuple[TextItem, ...]
    matrix: Matrix
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class SeveralVotes:
    """The votes on each of several classes that may apply to a text, each by itself.

    Attributes:
        labels: the classes.
        matrix: (n texts, m functions, k classes), positions in ``OUTCOMES``; ``ABSTAIN`` where a function says nothing.
    """

    labels: tuple[str, ...]
    functions: tuple[str, ...]
    items: tuple[TextItem, ...]
    matrix: Matrix
    failures: tuple[Failure, ...] = ()

    def of_class(self, number: int) -> Votes:
        """Return the votes on one class, of the functions that say anything of it."""
        said = self.matrix[:, :, number]
        speak = np.flatnonzero((said != ABSTAIN).any(axis=0))
        return Votes(OUTCOMES, tuple(self.functions[column] for column in speak), self.items, said[:, speak])


@dataclass(frozen=True)
class SpanVotes:
    """The stretches that each function marks in each text.

    Attributes:
        marked: for each text, for each function, its stretches; they lie in the text, in order, without overlap.
    """

    labels: tuple[str, ...]
    functions: tuple[str, ...]
    items: tuple[TextItem, ...]
    marked: tuple[tuple[tuple[Marked, ...], ...], ...]
    failures: tuple[Failure, ...] = ()


def collect_votes(
    functions: Sequence[LabellingFunction],
    items: Sequence[TextItem],
    labels: Sequence[str],
    reporter: Reporter | None = None,
) -> Votes:
    """Ask every function about every text; one that raises or votes for no known label counts as abstaining there.

    Raises:
        InputError: there is no function, one of them marks spans, or two have the same name.
    """
    _check(functions, marks=False)
    place = {label: number for number, label in enumerate(labels)}

    def read(said: Any, item: TextItem) -> int:
        if said is None:
            return ABSTAIN
        if said not in place:
            raise ValueError(f"voted for {said!r}, which is none of the labels")
        return place[said]

    columns, failures = _ask(functions, items, read, ABSTAIN, reporter)
    matrix = np.array(columns, dtype=np.int64).reshape(len(functions), len(items)).T
    return Votes(tuple(labels), _names(functions), tuple(items), matrix, tuple(failures))


def collect_several(
    functions: Sequence[LabellingFunction],
    items: Sequence[TextItem],
    labels: Sequence[str],
    reporter: Reporter | None = None,
) -> SeveralVotes:
    """Ask every function about every text, each of which may have several classes, or none.

    A function returns a label or several, which apply; or a mapping from labels to whether they do. It abstains on all others.

    Raises:
        InputError: there is no function, one of them marks spans, or two have the same name.
    """
    _check(functions, marks=False)
    place = {label: number for number, label in enumerate(labels)}
    nothing = (ABSTAIN,) * len(labels)

    def read(said: Any, item: TextItem) -> tuple[int, ...]:
        votes = list(nothing)
        for label, applies in _as_mapping(said).items():
            if label not in place:
                raise ValueError(f"voted for {label!r}, which is none of the labels")
            votes[place[label]] = int(bool(applies))
        return tuple(votes)

    columns, failures = _ask(functions, items, read, nothing, reporter)
    matrix = np.array(columns, dtype=np.int64).reshape(len(functions), len(items), len(labels)).transpose(1, 0, 2)
    return SeveralVotes(tuple(labels), _names(functions), tuple(items), matrix, tuple(failures))


def _as_mapping(said: Any) -> Mapping[str, Any]:
    if said is None:
        return {}
    if isinstance(said, Mapping):
        return said
    labels: Collection[str] = [said] if isinstance(said, str) else list(said)
    return dict.fromkeys(labels, True)


def collect_spans(
    functions: Sequence[LabellingFunction],
    items: Sequence[TextItem],
    labels: Sequence[str],
    reporter: Reporter | None = None,
) -> SpanVotes:
    """Let every function mark every text; one that raises or marks what cannot be counts as marking nothing there.

    Of stretches of one function that overlap the longest counts.

    Raises:
        InputError: there is no function, one of them votes on whole texts, or two have the same name.
    """
    _check(functions, marks=True)
    known = frozenset(labels)

    def read(said: Any, item: TextItem) -> tuple[Marked, ...]:
        found = [(int(start), int(end), label) for start, end, label in said or ()]
        for start, end, label in found:
            if not 0 <= start < end <= len(item.text):
                raise ValueError(f"marked {start} to {end} in a text of {len(item.text)} characters")
            if label not in known:
                raise ValueError(f"marked {label!r}, which is none of the labels")
        return _without_overlap(found)

    nothing: tuple[Marked, ...] = ()
    columns, failures = _ask(functions, items, read, nothing, reporter)
    marked = tuple(tuple(column[row] for column in columns) for row in range(len(items)))
    return SpanVotes(tuple(labels), _names(functions), tuple(items), marked, tuple(failures))


def _ask(
    functions: Sequence[LabellingFunction],
    items: Sequence[TextItem],
    read: Callable[[Any, TextItem], T],
    nothing: T,
    reporter: Reporter | None,
) -> tuple[list[list[T]], list[Failure]]:
    """Return for each function what it says of each text, and the failures."""
    columns: list[list[T]] = []
    failures: list[Failure] = []
    with (reporter or Silent()).bar("labelling functions", len(functions)) as bar:
        for function in functions:
            if function.prepare is not None:
                function.prepare(items)
            column = []
            for row, item in enumerate(items, start=1):
                try:
                    column.append(read(function(item), item))
                # Whatever the user's code raises is reported and stops nothing; sys.exit raises SystemExit.
                except (Exception, SystemExit) as error:  # noqa: BLE001
                    failures.append(Failure(function.name, row, item.id, _on_one_line(error)))
                    column.append(nothing)
            columns.append(column)
            bar.advance(1, function.name)
    return columns, failures


def _on_one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:MOST_CHARACTERS]


def _check(functions: Sequence[LabellingFunction], *, marks: bool) -> None:
    if not functions:
        raise InputError("there is no labelling function: name a file that holds some")
    twice = [name for name, count in Counter(_names(functions)).items() if count > 1]
    if twice:
        raise InputError(f"two labelling functions are named {twice[0]!r}: give each a name of its own")
    for function in functions:
        if function.marks and not marks:
            raise InputError(f"{function.name!r} marks spans, but the labels are classes: use @labelling_function")
        if marks and not function.marks:
            raise InputError(f"{function.name!r} votes on whole texts, but the labels are entities: use @span_function")


def _names(functions: Sequence[LabellingFunction]) -> tuple[str, ...]:
    return tuple(function.name for function in functions)


def _without_overlap(found: Sequence[Marked]) -> tuple[Marked, ...]:
    kept: list[Marked] = []
    for mark in sorted(set(found), key=lambda mark: (mark[0] - mark[1], mark[0], mark[2])):
        if all(mark[1] <= other[0] or other[1] <= mark[0] for other in kept):
            kept.append(mark)
    return tuple(sorted(kept))
