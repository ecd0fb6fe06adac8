"""How far `doyen train --estimate` is from what happens, on trainings of different size on the example's pairs.

    python benchmarks/estimates.py [--kinds adapter,reader,embedder] [--sizes 9,22,44] [--workspace DIR]

Estimate and training are processes of their own, as a user starts them. The time is that of training and validation, from
the first step to the last, which is what an estimate promises; memory is the most that the process held.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from doyen import Doyen
from doyen.core.progress import Terminal
from doyen.core.records import Pair, read_records
from doyen.core.workspace import create_workspace

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "quillane"
SETTINGS = '\n[ingestion]\nchunk_words = 100\n\n[finetune]\nepochs = 1.0\nstart_from = "none"\n'
KINDS = {"adapter": [], "reader": ["--reader"], "embedder": ["--embedder"]}
"""What is trained, by the options of `doyen train`."""
BAR = 0.3
"""How far an estimate may be from what happened."""


def main() -> int:
    """Estimate, train and compare; return 1 when an estimate is too far off."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS), help="what is trained")
    parser.add_argument("--sizes", default="9,22,44", help="pairs of each training")
    parser.add_argument("--workspace", type=Path, help="kept and used again; default: a temporary one")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        space = options.workspace or Path(folder) / "space"
        prepare(space, sizes)
        heads = ("expected", "took", "error", "memory expected / held", "error")
        print(
            f"{'trained':<9} {'pairs':>6} {'tokens':>9} {heads[0]:>10} {heads[1]:>8} {heads[2]:>7} {heads[3]:>24} {heads[4]:>7}"
        )
        trained = [(kind, size) for kind in options.kinds.split(",") for size in sizes]
        near = [show(kind, size, measure(space, f"size-{size}", KINDS[kind])) for kind, size in trained]
        return int(not all(near))


def prepare(space: Path, sizes: list[int]) -> None:
    """Ingest the example and build a dataset of each size."""
    if not (space / "doyen.toml").is_file():
        created = create_workspace(space, "estimates")
        with (created.root / "doyen.toml").open("a", encoding="utf-8") as settings:
            settings.write(SETTINGS)
    with Doyen(space, reporter=Terminal()) as doyen:
        doyen.ingest([EXAMPLE / "documents"])
        pairs = read_records(EXAMPLE / "pairs.jsonl", Pair)
        for size in sizes:
            doyen.build_dataset(f"size-{size}", pairs=pairs[:: max(1, len(pairs) // size)][:size])


def measure(space: Path, dataset: str, kind: list[str]) -> dict[str, Any]:
    """Return what the manifest of a training says of its cost, estimated and then trained."""
    call("train", dataset, *kind, "--estimate", workspace=space)
    trained = call("train", dataset, *kind, workspace=space)
    cost: dict[str, Any] = trained["manifest"]["cost"]
    return cost


def call(*command: str, workspace: Path) -> dict[str, Any]:
    """Run a command of Doyen and return what it prints."""
    arguments = [sys.executable, "-m", "doyen.platform.cli.main", *command, "--workspace", str(workspace), "--json"]
    done = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True)
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def show(kind: str, size: int, cost: dict[str, Any]) -> bool:
    """Print a line; return whether time and memory are near enough."""
    expected, happened, error = cost["estimate"]["expected"], cost["happened"], cost["error"]
    near = all(abs(error[name]) <= BAR for name in ("seconds", "memory_mb"))
    memory = f"{expected['memory_mb']:.0f} / {happened['memory_mb']:.0f} MB"
    told = f"{kind:<9} {size:>6} {happened['prompt_tokens']:>9,} {expected['seconds']:>8.0f} s {happened['seconds']:>6.0f} s"
    print(f"{told} {error['seconds']:>+7.0%} {memory:>24} {error['memory_mb']:>+7.0%}{'' if near else '   missed'}", flush=True)
    return near


if __name__ == "__main__":
    sys.exit(main())
