"""Progress of long work, independent of who shows it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from doyen.core.redaction import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar(Protocol):
    """One running piece of work."""

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Count ``amount`` units as done; ``note`` (a loss, a file name) is shown beside the bar."""


class Reporter(Protocol):
    """Where progress and messages of a long job go."""

    def bar(self, title: str, total: float | None) -> AbstractContextManager[Bar]:
        """Open a bar as a context manager; ``total`` None means unknown."""

    def say(self, message: str) -> None:
        """Show one line."""


class Silent:
    """Shows nothing: the default of library functions, and what tests use."""

    @contextmanager
    def bar(self, title: str, total: float | None) -> Iterator[Bar]:
        """Give a bar that ignores what it is told."""
        yield _SilentBar()

    def say(self, message: str) -> None:
        """Ignore the message."""


class _SilentBar:
    def advance(self, amount: float = 1, note: str = "") -> None:
        """Ignore the progress."""


class Terminal:
    """Shows bars on stderr with rich; without a terminal, a plain line when each piece starts and ends."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(file=sys.stderr, highlight=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: float | None) -> Iterator[Bar]:
        """Show a bar until the block ends."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        if not self.console.is_terminal:
            self.say(f"{title} …")
            bar = _PlainBar(self, title, total)
            yield bar
            return
        with Progress(*columns, console=self.console, transient=False) as progress:
            yield _RichBar(progress, progress.add_task(title, total=total, note=""))

    def say(self, message: str) -> None:
        """Print one line to stderr."""
        self.console.print(printable(message), markup=False)


class _RichBar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Move the bar."""
        self._progress.update(self._task, advance=amount, note=printable(note))


class _PlainBar:
    """Prints a line at each tenth of the work."""

    def __init__(self, terminal: Terminal, title: str, total: float | None) -> None:
        self._terminal, self._title, self._total = terminal, title, total
        self._done, self._shown = 0.0, 0

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Count, and print when another tenth is done."""
        self._done += amount
        tenth = int(10 * self._done / self._total) if self._total else 0
        if tenth > self._shown:
            self._shown = tenth
            self._terminal.say(f"{self._title}: {self._done:.0f}/{self._total:.0f} {note}".rstrip())
