"""A reporter that stops a training."""

from __future__ import annotations

from doyen.core.progress import Silent


class Stopped(Exception):
    """Stands for a kill in the middle of training."""


class StopAfter(Silent):
    """A reporter that ends the run when the training bar has advanced so often."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.notes: list[str] = []

    def bar(self, title, total):
        outer = self

        class Bar:
            def __enter__(self):
                return self

            def __exit__(self, *error):
                return None

            def advance(self, amount=1, note=""):
                if "training" in title:
                    outer.notes.append(note)
                    outer.left -= amount
                    if outer.left < 0:
                        raise Stopped

        return Bar()
