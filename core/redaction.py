"""What must not reach people in errors, logs, the doctor's report and manifests: passwords, keys, control characters."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "***"
_NAMED = r"[\w-]*(?:key|token|secret|passw(?:or)?d|pwd|sig|signature|auth)"
_SET = r"(?:(?:[\w-]*[_-])?(?:api[_-]?key|access[_-]?key|secret(?:[_-]?key)?|passw(?:or)?d|pwd)|[\w-]+[_-]token)"
"""Names whose value is a secret wherever it is set; "key" and "token" alone are words of texts."""
_RULES = (
    # user:password@ of a URL, up to the last @ of the word, because passwords may hold one themselves; not host:port/…@
    (re.compile(r"(://[^\s/?#@:]*):(?!\d{1,5}(?:[/\s\"',)]|$))\S*@"), rf"\1:{HIDDEN}@"),
    # token@ of a URL
    (re.compile(r"://[^\s/?#@:\"']+@"), f"://{HIDDEN}@"),
    # ?api_key=… of a URL
    (re.compile(rf"(?i)([?&;]{_NAMED}=)[^&;\s#\"']+"), rf"\1{HIDDEN}"),
    # Authorization: Token … and every other scheme, as a header, in JSON or in Python's form of a dictionary
    (re.compile(r"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?(?:[a-z]+\s+)?)[\w.~+/=-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer)\s+[\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)\b(token)\s+[0-9a-f]{32,}\b"), rf"\1 {HIDDEN}"),
    # DOYEN_…_API_KEY=…, api_key: "…", X-Api-Key: …
    (re.compile(rf"(?i)\b({_SET}[\"']?\s*[:=]\s*[\"']?)(?!\*)[^\s&;,\"']+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(sk|pk|hf|ghp|gho|glpat)([-_])[\w-]{16,}"), rf"\1\2{HIDDEN}"),
)


def redact(text: str) -> str:
    """Return the text with passwords of URLs and connection strings, keys that are set and tokens of headers hidden."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def redact_values(value: Any) -> Any:
    """Return a JSON-like value with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_values(item) for item in value]
    return value


# Control characters, line separators and what changes the direction of writing.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    r"""Return the text with line breaks and other control characters written as escapes such as ``\n``."""
    return _INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def printable(text: str) -> str:
    """Return the text for a terminal: its lines and tabs stay, other control characters are written as escapes."""
    return "\n".join("\t".join(one_line(cell) for cell in line.split("\t")) for line in text.split("\n"))
