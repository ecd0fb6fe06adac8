"""Where each setting in force comes from: its default, ``doyen.toml`` or the environment. What is secret is hidden."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from doyen.core import settings as declared
from doyen.core.redaction import HIDDEN, redact_values
from doyen.core.settings import ENVIRONMENT_PREFIX, SECRET_WORDS, Section, Settings, load_settings, read_layers

Origin = Literal["default", "file", "environment"]
HIDDEN_WORDS = (*SECRET_WORDS, "hash")
_MISSING = object()


@dataclass(frozen=True)
class ShownSetting:
    """A setting in force.

    Attributes:
        name: as in "serving.port".
        value: as JSON can hold it; of a secret "***", or an empty text where it is not set.
        default: its value where nobody sets it; None where it must be set.
        origin: where the value comes from.
        variable: the environment variable that would set it.
        about: what it does, as its declaration says.
        secret: whether the value is hidden.
        waits: whether file or environment say something else by now, which counts from the next start.
    """

    name: str
    value: Any
    default: Any
    origin: Origin
    variable: str
    about: str
    secret: bool
    waits: bool


def describe_settings(path: Path, in_force: Settings, environment: Mapping[str, str] | None = None) -> list[ShownSetting]:
    """Return all settings in the order of their declaration.

    Args:
        path: ``doyen.toml``.
        in_force: as they were when this process started.
        environment: variables to use instead of the process's own.

    Raises:
        SettingsError: file or environment are not right by now.
    """
    now = load_settings(path, environment)
    file, variables = read_layers(path, environment)
    return list(_describe(in_force, now, file, variables, ()))


def _describe(in_force: Section, now: Section, file: Any, variables: Any, above: tuple[str, ...]) -> Iterator[ShownSetting]:
    about = _comments().get(type(in_force).__name__, {})
    for name, field in type(in_force).model_fields.items():
        value, newer, path = getattr(in_force, name), getattr(now, name), (*above, name)
        said = _below(file, name), _below(variables, name)
        if isinstance(value, Section):
            yield from _describe(value, newer, *said, path)
            continue
        secret = isinstance(value, SecretStr)
        yield ShownSetting(
            name=".".join(path),
            value=_shown(value),
            default=_default(field),
            origin="environment" if said[1] is not _MISSING else "file" if said[0] is not _MISSING else "default",
            variable=ENVIRONMENT_PREFIX + "__".join(path).upper(),
            about=about.get(name, ""),
            secret=secret,
            waits=value != newer,
        )


def _below(values: Any, name: str) -> Any:
    return values.get(name, _MISSING) if isinstance(values, dict) else _MISSING


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else _shown(field.get_default(call_default_factory=True))


def _shown(value: Any) -> Any:
    """Return a value as JSON, with what is secret in it hidden."""
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    return redact_values(_hide(json.loads(json.dumps(value, default=_plain))))


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Section) else str(value)


def _hide(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: HIDDEN if any(word in name for word in HIDDEN_WORDS) else _hide(each) for name, each in value.items()}
    return [_hide(each) for each in value] if isinstance(value, list) else value


@cache
def _comments() -> dict[str, dict[str, str]]:
    """Return class → setting → the text below its declaration."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(declared)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for line, following in zip(node.body, node.body[1:], strict=False):
            if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)):
                continue
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                found.setdefault(node.name, {})[line.target.id] = inspect.cleandoc(str(following.value.value))
    return found
