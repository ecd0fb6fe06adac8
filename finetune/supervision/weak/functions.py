"""Labelling functions: plain Python functions that vote on a text, or mark stretches of it, and may abstain.

    @labelling_function
    def asks_about_fees(item):
        return "fee" if "fee" in item.text.lower() else None

    @span_function(name="part numbers")
    def part_numbers(item):
        for match in re.finditer("PN [0-9-]+", item.text):
            yield match.start(), match.end(), "PART"

Both decorators, and ``TextItem``, come from ``doyen.finetune.supervision.weak``.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, TypeAlias, overload

from doyen.core.errors import InputError
from doyen.core.manifest import short_id


@dataclass(frozen=True)
class TextItem:
    """What a labelling function sees.

    Attributes:
        id: of the task that shows the text.
        meta: where the text comes from: "source", "heading", "page", … as far as known.
    """

    id: str
    text: str
    meta: Mapping[str, Any] = field(default_factory=dict)


Marked: TypeAlias = tuple[int, int, str]
"""A stretch of a text with its label: first position, one past the last, label."""


@dataclass(frozen=True)
class LabellingFunction:
    """A function that says what it knows of a text.

    Attributes:
        name: as tables and reports show it; no other function has it.
        apply: returns a label's name, or None to abstain; where a text may have several classes also several names, or a
            mapping from names to whether they apply; of a span function, the stretches that it marks.
        marks: whether it marks stretches.
        prepare: is given all texts before the first is asked about, where the function computes them together.
    """

    name: str
    apply: Callable[[TextItem], Any]
    marks: bool = False
    prepare: Callable[[Sequence[TextItem]], None] | None = None

    def __call__(self, item: TextItem) -> Any:
        """Return what the function says of a text, so that it can be tried by hand."""
        return self.apply(item)


@overload
def labelling_function(function: Callable[[TextItem], Any]) -> LabellingFunction: ...
@overload
def labelling_function(*, name: str = "") -> Callable[[Callable[[TextItem], Any]], LabellingFunction]: ...
def labelling_function(function: Callable[[TextItem], Any] | None = None, *, name: str = "") -> Any:
    """Make a function that returns a label or None one of the labelling functions of its file.

    Args:
        name: in tables and reports; default: the function's own.
    """
    return _decorated(function, name, marks=False)


@overload
def span_function(function: Callable[[TextItem], Any]) -> LabellingFunction: ...
@overload
def span_function(*, name: str = "") -> Callable[[Callable[[TextItem], Any]], LabellingFunction]: ...
def span_function(function: Callable[[TextItem], Any] | None = None, *, name: str = "") -> Any:
    """Make a function that yields ``(start, end, label)`` of entities one of the labelling functions of its file.

    Args:
        name: as for ``labelling_function``.
    """
    return _decorated(function, name, marks=True)


def _decorated(function: Callable[[TextItem], Any] | None, name: str, *, marks: bool) -> Any:
    def decorate(plain: Callable[[TextItem], Any]) -> LabellingFunction:
        return LabellingFunction(name or plain.__name__, plain, marks)

    return decorate if function is None else decorate(function)


def load_functions(path: Path) -> list[LabellingFunction]:
    """Run a Python file and return its labelling functions, in the order of the file.

    The file is the user's own code: it runs in this process with all rights that the process has.

    Raises:
        InputError: it cannot be read, fails while it is run, or holds no labelling function.
    """
    if not path.is_file():
        raise InputError(f"{path} cannot be read (there is no such file): name a file with labelling functions")
    spec = spec_from_file_location(f"doyen_labelling_{short_id(str(path.resolve()))}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is no Python file: name one that ends in .py, or a .toml file of rules")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        where = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else next(reversed(where), None)
        raise InputError(f"{path}, line {line}: {type(error).__name__}: {error}; correct the file") from error
    finally:
        del sys.modules[spec.name]
    found = [member for member in vars(module).values() if isinstance(member, LabellingFunction)]
    if not found:
        raise InputError(f"{path} holds no labelling function: put @labelling_function or @span_function above one")
    return found
