"""Equations of Word (OMML, ECMA-376 part 1, chapter 22.1) as one line of text: ``t=0.42 d``, ``(a+b)/2``, ``√(x)``."""

from __future__ import annotations

import re
from typing import Any

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_ATOM = re.compile(r"[\w.,]+|\([^()]*\)")
_PROPERTIES = re.compile(r"(?:Pr|ctrlPr)$")


def math_text(node: Any) -> str:
    """Return an equation, or a part of one, on one line."""
    if not isinstance(node.tag, str) or not node.tag.startswith(M):
        return "".join(run.text or "" for run in node.iter(f"{W}t")) if isinstance(node.tag, str) else ""
    kind = node.tag[len(M) :]
    if kind == "t":
        return node.text or ""
    if _PROPERTIES.search(kind):
        return ""
    write = _WRITERS.get(kind)
    return write(node) if write is not None else _inside(node)


def _inside(node: Any) -> str:
    return "".join(math_text(child) for child in node)


def _part(node: Any, name: str) -> str:
    child = node.find(M + name)
    return "" if child is None else _inside(child).strip()


def _grouped(text: str) -> str:
    return text if _ATOM.fullmatch(text) or not text else f"({text})"


def _setting(node: Any, path: str, default: str) -> str:
    found = node.find("/".join(M + name for name in path.split("/")))
    return default if found is None else found.get(f"{M}val", "")


def _scripts(node: Any) -> str:
    sub, sup = _part(node, "sub"), _part(node, "sup")
    return (f"_{_grouped(sub)}" if sub else "") + (f"^{_grouped(sup)}" if sup else "")


def _scripted(node: Any) -> str:
    return _grouped(_part(node, "e")) + _scripts(node)


def _fraction(node: Any) -> str:
    return f"{_grouped(_part(node, 'num'))}/{_grouped(_part(node, 'den'))}"


def _radical(node: Any) -> str:
    degree = _part(node, "deg")
    return f"{degree}√({_part(node, 'e')})"


def _nary(node: Any) -> str:
    return f"{_setting(node, 'naryPr/chr', '∫')}{_scripts(node)} {_part(node, 'e')}"


def _delimited(node: Any) -> str:
    first, last = _setting(node, "dPr/begChr", "("), _setting(node, "dPr/endChr", ")")
    between = _setting(node, "dPr/sepChr", "|")
    return first + between.join(_inside(part).strip() for part in node.findall(f"{M}e")) + last


def _function(node: Any) -> str:
    return f"{_part(node, 'fName')} {_grouped(_part(node, 'e'))}"


def _limit(node: Any) -> str:
    mark = "_" if node.tag == f"{M}limLow" else "^"
    return f"{_part(node, 'e')}{mark}{_grouped(_part(node, 'lim'))}"


def _rows(node: Any) -> str:
    return "; ".join(_inside(row).strip() for row in node.findall(f"{M}e"))


def _matrix(node: Any) -> str:
    rows = (" ".join(_inside(cell).strip() for cell in row.findall(f"{M}e")) for row in node.findall(f"{M}mr"))
    return "; ".join(rows)


_WRITERS = {
    "f": _fraction,
    "sSup": _scripted,
    "sSub": _scripted,
    "sSubSup": _scripted,
    "sPre": lambda node: _scripts(node) + _part(node, "e"),
    "rad": _radical,
    "nary": _nary,
    "d": _delimited,
    "func": _function,
    "limLow": _limit,
    "limUpp": _limit,
    "eqArr": _rows,
    "m": _matrix,
}
