"""Run the benchmarks one after another and say which bars they pass: ``make bench``.

The reference data is looked for in $DOYEN_DATA, default ../shared/data; what needs it is left out with a message where it
is absent. Each benchmark prints its figures and ends with 0 when its bars are passed. The longest takes an hour on two cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("DOYEN_DATA", "../shared/data")).resolve()
BENCHMARKS: dict[str, list[str]] = {
    "retrieval_quality": ["--data", str(DATA / "covidqa")],
    "ingestion_speed": ["--documents", str(DATA / "covidqa" / "documents"), "--limit", "20"],
    "annotation_quality": ["--data", str(DATA)],
    "compare_pdf_readers": ["--data", str(DATA)],
    "annotation_formats": [],
    "annotation_sync": [],
    "first_token": [],
    "upload_cost": [],
    "training_speed": [],
    "covidqa_generation": ["--data", str(DATA / "covidqa")],
}


def main() -> int:
    """Run the named benchmarks, or all; return 1 when one misses a bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="which ones; default: all")
    names = parser.parse_args().names or list(BENCHMARKS)
    outcomes = {name: run(name) for name in names}
    print("\n==> Summary")
    for name, outcome in outcomes.items():
        print(f"{name:<20} {outcome}")
    return int(any(outcome.startswith("missed") for outcome in outcomes.values()))


def run(name: str) -> str:
    """Run one benchmark and return its outcome in a few words."""
    arguments = BENCHMARKS[name]
    if arguments and not DATA.is_dir():
        return f"left out: no reference data in {DATA} (set DOYEN_DATA)"
    print(f"\n==> {name}", flush=True)
    started = time.monotonic()
    done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *arguments], check=False)
    verdict = "passed" if done.returncode == 0 else f"missed (exit code {done.returncode})"
    return f"{verdict} in {time.monotonic() - started:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
