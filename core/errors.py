"""The tree of Doyen's errors, grouped by what the caller would do next.

Every message says the cause, the value and the remedy. Only the gateway maps these classes to HTTP status codes;
only the command line prints them.

    DoyenError
    ├── UsageError              ask differently: the request itself is wrong
    │   ├── SettingsError       correct doyen.toml or the environment
    │   ├── InputError          correct the input file or the text that was sent
    │   │   ├── PromptTooLong   ask shorter, or show the model less
    │   │   ├── UnreadableDocument
    │   │   └── RecordError     one or more records of a JSONL or CSV file
    │   └── NotFoundError       name something that exists
    ├── StateError              do another step first, or wait
    │   ├── WorkspaceMissing
    │   ├── IndexMissing
    │   ├── Busy
    │   └── IncompatibleError   two artefacts that do not fit each other
    ├── MissingPart             install or fetch something
    │   └── ModelMissing
    ├── StorageError            free space, fix permissions
    └── ServiceError            another server failed: retry, or look at it
        ├── Unauthorized
        └── NotInTime
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC

from doyen.core.redaction import redact


class DoyenError(Exception):
    """Base of all errors that Doyen raises on purpose. ``str(error)`` is a sentence for the user, without passwords."""

    def __str__(self) -> str:
        return redact(super().__str__())


class UsageError(DoyenError):
    """The request cannot be carried out as it was worded."""


class SettingsError(UsageError):
    """One or more settings are wrong.

    Attributes:
        problems: one sentence for each wrong key, all of them at once.
    """

    def __init__(self, where: str, problems: list[str]) -> None:
        self.problems = problems
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{where} has {len(problems)} mistake{'s' if len(problems) > 1 else ''}:\n{listed}")


class InputError(UsageError):
    """A file or a text given by the user is unusable."""


class PromptTooLong(InputError):
    """Question, history and passages together are longer than the model's window."""


class UnreadableDocument(InputError):
    """A document cannot be parsed; the others of the same run are not affected."""


class RecordError(InputError):
    """A line of a record file is broken; nothing of the file was imported."""


class NotFoundError(UsageError):
    """A named thing (adapter, mode, document, evaluation, …) does not exist."""


class StateError(DoyenError):
    """The workspace is not in the state that the request needs."""


class WorkspaceMissing(StateError):
    """No doyen.toml in this folder or any above it."""


class IndexMissing(StateError):
    """The workspace has no retrieval index yet, or the index is damaged."""


class Busy(StateError):
    """Another process is changing the same workspace."""


class IncompatibleError(StateError):
    """Two artefacts do not fit, for example an adapter and the base model that is served."""


class MissingPart(DoyenError):
    """An optional package or program is not installed."""


class ModelMissing(MissingPart):
    """A model's files are not on this machine or fail their hash."""


class StorageError(DoyenError):
    """The disk is full or a path cannot be written."""


class ServiceError(DoyenError):
    """A server that Doyen talks to (Label Studio, an OpenAI-compatible engine, a Chroma server) failed."""


class Unauthorized(ServiceError):
    """A server refused our credentials."""


class NotInTime(ServiceError):
    """A server or the model did not answer before the request's deadline."""


FULL_DISK_WORDS = ("database or disk is full", "No space left", " requested and ")
"""What SQLite, Chroma and NumPy ("8757 requested and 2032 written") say."""


def disk_full(action: str) -> str:
    """Return what to tell a user whose disk filled up during an action."""
    return f"the disk is full while {action}: free some space and run the same command again"


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Turn the operating system's 'disk full' into a StorageError that says what was being done.

    SQLite, Chroma and NumPy report a full disk as text; other OSErrors carry an errno.
    """
    try:
        yield
    except DoyenError:
        raise
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in {ENOSPC, EDQUOT}
        if full or any(words in str(error) for words in FULL_DISK_WORDS):
            raise StorageError(disk_full(action)) from error
        raise
