"""An agreement report as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from doyen.annotation.quality.agreement import AgreementReport
from doyen.annotation.quality.intervals import Figure

MOST_ROWS = 20
"""Labels that are shown, those with the least agreement first; the report as JSON has all."""


def as_text(report: AgreementReport) -> str:
    """Return the report as tables, one figure a line: value, 95% interval, items behind it, or why there is none."""
    people = ", ".join(f"{name} {count}" for name, count in report.annotators.items()) or "nobody"
    lines = [f"{report.items} items, {report.shared} of them labelled by two annotators or more ({people})."]
    lines += _section("Overall", {"": report.overall})
    lines += _section("By label, least agreement first", _worst(report.labels))
    if len(report.pairs) > 1:
        lines += _section("By pair of annotators", {f"{a} · {b}": own for (a, b), own in report.pairs.items()})
    if len(report.periods) > 1:
        lines += _section("Over time", {name: {report.primary: own[report.primary]} for name, own in report.periods.items()})
    lines += _section("Against gold items", report.gold)
    if report.reliability:
        lines += ["", "Reliability of annotators"]
        lines += [f"  {name:<30} {own.value:.3f} ({own.method})" for name, own in report.reliability.items()]
    return "\n".join(lines)


def _worst(labels: Mapping[str, Mapping[str, Figure]]) -> dict[str, Mapping[str, Figure]]:
    """Return the labels with the lowest first measure; those where it is undefined come last."""

    def key(name: str) -> tuple[bool, float, str]:
        value = next(iter(labels[name].values())).value
        return value != value, value if value == value else 0.0, name

    return {name: labels[name] for name in sorted(labels, key=key)[:MOST_ROWS]}


def _section(title: str, rows: Mapping[str, Mapping[str, Figure]]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield title
    width = max(len(name) for name in rows)
    for name, own in rows.items():
        for measure, found in own.items():
            yield f"  {name:<{width}}{' ' if width else ''}{measure:<20} {_told(found)}"


def _told(found: Figure) -> str:
    if found.value != found.value:
        return f"  –   {found.reason} ({_items(found.items)})"
    between = f"[{found.low:.3f}, {found.high:.3f}]" if found.low == found.low else "no interval"
    return f"{found.value:6.3f} {between} on {_items(found.items)}"


def _items(count: int) -> str:
    return f"{count} item{'' if count == 1 else 's'}"
