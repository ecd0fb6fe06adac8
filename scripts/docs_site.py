"""Hooks of the documentation site (``mkdocs.yml``): pages that are generated from the code, and links out of the site.

The reference is never written by hand: commands come from the command line, settings from their model, endpoints from the
API's description that a test keeps true (``tests/gateway/openapi.json``), classes from their docstrings.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parent.parent
LAID_OUT = ROOT / ".cache" / "docs-packages"
"""Where mkdocstrings finds the packages: it does not follow an editable install's mapping."""
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>(?!https?:|mailto:|#)[^)#\s]+)[^)]*\)")


def on_startup(**_: object) -> None:
    """Lay the packages out for mkdocstrings, which looks for its paths before any page is read."""
    subprocess.run([sys.executable, str(ROOT / "scripts" / "lay_out.py"), str(LAID_OUT)], check=True)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {
        "reference/cli.md": command_line(),
        "reference/settings.md": settings(),
        "reference/api.md": endpoints(json.loads((ROOT / "tests" / "gateway" / "openapi.json").read_text(encoding="utf-8"))),
        "reference/python.md": "# Python\n\n::: doyen.platform.app.Doyen\n",
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "]("),
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files outside the site, such as modules, into their text."""
    folder = Path(config.docs_dir) / Path(page.file.src_uri).parent
    known = {str((Path(config.docs_dir) / each.src_uri).resolve()) for each in files}

    def keep(link: re.Match[str]) -> str:
        return link[0] if str((folder / link["target"]).resolve()) in known else link["text"]

    return LINK.sub(keep, markdown)


def command_line() -> str:
    """Return the reference of all commands, as Typer writes it from their help."""
    command = [
        sys.executable,
        "-m",
        "typer",
        "doyen.platform.cli.main",
        "utils",
        "docs",
        "--name",
        "doyen",
        "--title",
        "Command line",
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def settings() -> str:
    """Return the reference of ``doyen.toml``: a table for each section."""
    from doyen.core.settings import Settings

    notes = attribute_docstrings((ROOT / "core" / "settings.py").read_text(encoding="utf-8"))
    head = "# Settings\n\nOf `doyen.toml`; an environment variable overrides the file (`DOYEN_RETRIEVAL__TOP_K=5`).\n"
    return head + "".join(_section(name, model, notes) for name, model in sections(Settings))


def sections(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield a settings model with its name in the file, and those of its sections after it."""
    yield path, model
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from sections(field.annotation, f"{path}.{name}".lstrip("."))


def attribute_docstrings(source: str) -> dict[str, dict[str, str]]:
    """Return the docstrings that stand below the attributes of a module's classes, by class and attribute."""
    classes = [each for each in ast.parse(source).body if isinstance(each, ast.ClassDef)]
    return {each.name: dict(_attributes(each)) for each in classes}


def _attributes(of: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for attribute, after in zip(of.body, of.body[1:], strict=False):
        if (
            isinstance(attribute, ast.AnnAssign)
            and isinstance(attribute.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            yield attribute.target.id, " ".join(str(after.value.value).split())


def _section(name: str, model: type[BaseModel], notes: dict[str, dict[str, str]]) -> str:
    said: dict[str, str] = {}
    for each in reversed(model.__mro__):
        said |= notes.get(each.__name__, {})
    rows = [
        f"| `{key}` | {_default(field)} | {said.get(key, '').replace('|', chr(92) + '|')} |"
        for key, field in model.model_fields.items()
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel))
    ]
    if not rows:
        return ""
    purpose = "" if model.__doc__ is None else " ".join(model.__doc__.split()) + "\n\n"
    return (
        f"\n## {f'[{name}]' if name else 'Outside the sections'}\n\n{purpose}"
        "| setting | default | meaning |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    return "unset" if value is None or value == "" else f"`{json.dumps(value, default=str)}`"


def endpoints(api: dict[str, Any]) -> str:
    """Return the reference of the gateway's endpoints, grouped by the noun in their path."""
    groups: dict[str, list[str]] = {}
    for path, operations in sorted(api["paths"].items()):
        noun = next((part for part in path.split("/") if part not in {"", "v1"}), path)
        groups.setdefault(noun, []).extend(_endpoint(method, path, operation) for method, operation in operations.items())
    head = (
        "# HTTP API\n\n[Gateway](../gateway.md) explains it. A running gateway shows the same with schemas at `/docs`, "
        "and as OpenAPI at `/openapi.json`.\n"
    )
    return head + "".join(f"\n## {noun}\n\n" + "\n".join(lines) for noun, lines in groups.items())


def _endpoint(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = [f"`{each['name']}` ({each['in']})" for each in operation.get("parameters", ())]
    body = operation.get("requestBody", {}).get("content", {})
    lines = [f"### `{method.upper()} {path}`\n", operation.get("description") or operation.get("summary", "")]
    lines += [f"\nParameters: {', '.join(parameters)}."] if parameters else []
    lines += [f"\nBody: {', '.join(f'`{kind}`' for kind in body)}."] if body else []
    lines.append(f"\nAnswers: {', '.join(sorted(operation['responses']))}.\n")
    return "\n".join(lines) + "\n"
