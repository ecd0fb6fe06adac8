"""Run the benchmarks one after another and say which bars they pass: ``make bench``.

The reference data is looked for in $DOYEN_DATA, default ../shared/data; what needs it is left out with a message where it
is absent. Each benchmark prints its figures and ends with 0 when its bars are passed, 1 when it misses one. The longest takes
an hour on two cores.
"""

from __future__ import annotations

import argparse
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

MISSED = 3
HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("DOYEN_DATA", "../shared/data")).resolve()
BENCHMARKS: dict[str, list[str]] = {
    "retrieval_quality": ["--data", str(DATA / "covidqa")],
    "tuned_embedder": ["--data", str(DATA / "covidqa")],
    "ingestion_speed": ["--documents", str(DATA / "covidqa" / "documents"), "--limit", "20"],
    "annotation_quality": ["--data", str(DATA)],
    "active_learning": ["--data", str(DATA)],
    "label_errors": ["--data", str(DATA)],
    "pair_errors": [],
    "generated_pairs": [],
    "compare_pdf_readers": ["--data", str(DATA)],
    "dataset_leaks": ["--data", str(DATA)],
    "annotation_formats": [],
    "annotation_sync": [],
    "first_token": [],
    "false_alarms": [],
    "upload_cost": [],
    "reindex_cycles": [],
    "access": [],
    "scale": [],
    "training_speed": [],
    "estimates": [],
    "forgetting": [],
    "versions": [],
    "filings": ["--data", str(DATA)],
    "reading": ["--data", str(DATA)],
    "weak_supervision": ["--data", str(DATA)],
    "heads": ["--data", str(DATA)],
    "answering": [],
    "covidqa_generation": ["--data", str(DATA / "covidqa")],
}


def main() -> int:
    """Run the named benchmarks, or all; return 1 when one misses a bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alone", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="which ones; default: all")
    options = parser.parse_args()
    if options.alone:
        return alone(*options.alone)
    names = options.names or list(BENCHMARKS)
    outcomes = {name: run(name) for name in names}
    print("\n==> Summary")
    for name, outcome in outcomes.items():
        print(f"{name:<20} {outcome}")
    return int(any(outcome.startswith(("missed", "crashed")) for outcome in outcomes.values()))


def run(name: str) -> str:
    """Run one benchmark and return its outcome in a few words."""
    arguments = BENCHMARKS[name]
    if arguments and not DATA.is_dir():
        return f"left out: no reference data in {DATA} (set DOYEN_DATA)"
    return run_script(HERE / f"{name}.py", arguments)


def run_script(script: Path, arguments: Sequence[str]) -> str:
    """Run one script and say whether it passed its bars, missed one, or never came to measure them."""
    print(f"\n==> {script.stem}", flush=True)
    started = time.monotonic()
    code = subprocess.run([sys.executable, __file__, "--alone", str(script), *arguments], check=False).returncode
    verdict = {0: "passed", MISSED: "missed a bar"}.get(code, f"crashed (exit code {code})")
    return f"{verdict} in {time.monotonic() - started:.0f} s"


def alone(script: str, *arguments: str) -> int:
    """Run a script in this process: an exception ends Python with the same code 1 by which a benchmark says "missed"."""
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).parent))
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code == 1:
            return MISSED
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
