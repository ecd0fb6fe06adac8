"""Optional parts of the installation: which extra of the package brings a module that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import requires
from importlib.util import find_spec
from inspect import isfunction
from typing import TypeVar

from doyen.core.errors import MissingPart

C = TypeVar("C")
PACKAGES = {"crowdkit": "crowd-kit", "multipart": "python-multipart", "starlette": "fastapi"}
"""Package that brings a module of another name."""


@contextmanager
def naming_extras() -> Iterator[None]:
    """Turn a module that is not installed into a `MissingPart` that names the extra to install; also a decorator."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_part(error) from error


def methods_name_extras(cls: type[C]) -> type[C]:
    """Decorate every public method and cached property of a class with `naming_extras`."""
    for name, member in list(vars(cls).items()):
        if isinstance(member, cached_property):
            member.func = naming_extras()(member.func)
        elif isfunction(member) and not name.startswith("_"):
            setattr(cls, name, naming_extras()(member))
    return cls


def require_module(module: str) -> None:
    """Ask for a module that is imported much later, or by a child process.

    Raises:
        MissingPart: it is not installed; the message names the extra that brings it.
    """
    if find_spec(module) is None:
        raise missing_part(ModuleNotFoundError(name=module))


def missing_part(error: ModuleNotFoundError) -> MissingPart:
    """Return the error that names the extra to install, for example ``doyen[serve]`` when gradio is missing.

    Raises:
        ModuleNotFoundError: the error itself, when no extra brings the module.
    """
    module = (error.name or "").split(".")[0]
    package = PACKAGES.get(module, module.replace("_", "-"))
    listed = (re.match(r"([\w.-]+).*extra == ['\"](\w+)['\"]", line) for line in requires("doyen") or [])
    extras = [found[2] for found in listed if found and found[1].lower() == package.lower() and found[2] != "dev"]
    if not extras:
        raise error
    return MissingPart(f"{package} is not installed: `pip install 'doyen[{extras[0]}]'`")
