"""How fast labels go out and come in, in every format, and that memory does not grow with their number.

    python benchmarks/annotation_formats.py [--rows 100000]

Labels are made lazily, written, and read back with the check of the whole file that an import makes first. Each format
runs in a process of its own, and the time that making the labels takes is taken off. The bars: under 20 seconds of
processor time each way, and at 100,000 rows at most 40 MB more memory than at a tenth of them (Parquet keeps a
description of each row group until the end).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from doyen.annotation.exchange.formats import FORMATS, Losses, read_labels
from doyen.annotation.types.typed_labels import Classes, Entities, Label, LabelledText, Region, Relation, Tags
from doyen.core.memory import peak_memory_mb

BAR_S, BAR_MB = 20.0, 40.0
WORDS = 12
"""Words of a text: an average sentence of UD English EWT has 12.6."""


def labels(kind: str, rows: int) -> Iterator[LabelledText]:
    """Yield labels of texts of twelve words."""
    for number in range(rows):
        text = " ".join(f"w{(number * 31 + position) % 9973:04d}" for position in range(WORDS))
        yield LabelledText(f"item {number}", text, label_of(kind, number), "ann@example.com", "2026-01-02", {"page": number})


def label_of(kind: str, number: int) -> Label:
    """Return one class, two related entities, or a tag for each word."""
    marked = tuple(Region(str(n), n * 6, n * 6 + 5, "AB"[n % 2]) for n in range(WORDS))
    if kind == "classification":
        return Classes(("even" if number % 2 else "odd",))
    return Tags(marked) if kind == "pos" else Entities(marked[2:9:6], (Relation("2", "8", "x"),))


def measure(name: str, rows: int) -> tuple[float, float, float]:
    """Return processor seconds of export and of import, and peak memory in MB of a fresh process."""
    command = [sys.executable, __file__, "--one", name, "--rows", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    out, back, memory = (float(part) for part in done.stdout.split())
    return out, back, memory


def run_one(name: str, rows: int) -> None:
    """Write and read one format, and print the figures."""
    kind = next(kind for kind in ("entities", "pos", "classification") if kind in FORMATS[name].kinds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels"
        started = time.process_time()
        sum(1 for _ in labels(kind, rows))
        made = time.process_time()
        FORMATS[name].write(labels(kind, rows), path, Losses())
        written = time.process_time()
        count = sum(1 for _ in read_labels(path, name, kind, Losses()))
        read = time.process_time()
    assert count == rows, f"{count} of {rows} came back"
    print(written - made - (made - started), read - written, peak_memory_mb())


def main() -> int:
    """Measure every format that can be written; return 1 when one misses a bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(arguments.one, arguments.rows)
        return 0
    print(f"{'format':<12} {'export s':>9} {'import s':>9} {'MB':>6} {'MB more than at a tenth':>24}")
    missed = False
    for name in (name for name, found in FORMATS.items() if found.writes):
        _, _, before = measure(name, arguments.rows // 10)
        out, back, memory = measure(name, arguments.rows)
        late = max(out, back) > BAR_S or memory - before > BAR_MB
        missed = missed or late
        print(
            f"{name:<12} {out:>9.1f} {back:>9.1f} {memory:>6.0f} {memory - before:>24.1f}{'  missed' if late else ''}",
            flush=True,
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
