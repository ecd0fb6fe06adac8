"""Train the general reading adapter that comes with Doyen, and write it to finetune/general_adapter.

    python scripts/train_general_adapter.py ../shared/data/squad/paragraphs.jsonl

Takes about 50 minutes on two idle cores with AVX2. It can be stopped: the same command goes on from the last checkpoint.
For another base model use `doyen train --general-reading PARAGRAPHS` in a workspace.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from doyen import Doyen
from doyen.core.progress import Terminal
from doyen.core.workspace import create_workspace, find_workspace
from doyen.finetune.reading_adapter import GENERAL_ADAPTER
from doyen.finetune.registry import WEIGHTS, Adapter
from doyen.finetune.train_general_reading import train_general_reading

SETTINGS = "epochs = 0.5\nbatch_size = 16\nlearning_rate = 5e-4\ncheckpoint_steps = 10\n"


def main() -> None:
    """Train and write the adapter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paragraphs", type=Path)
    parser.add_argument("--out", type=Path, default=GENERAL_ADAPTER)
    parser.add_argument("--workspace", type=Path, default=Path(".cache/general-adapter"), help="where it is trained")
    parser.add_argument("--settings", default=SETTINGS, help="lines of the section [finetune]")
    parser.add_argument("--start", type=Path, help="PEFT folder of a general adapter to go on from, instead of a fresh one")
    parser.add_argument("--seen", type=int, default=0, help="epochs that it has seen, begun ones included")
    parser.add_argument("--limit", type=int, default=None, help="paragraphs to train on, for a trial")
    options = parser.parse_args()
    if not (options.workspace / "doyen.toml").exists():
        create_workspace(options.workspace, "general-adapter")
        with (options.workspace / "doyen.toml").open("a", encoding="utf-8") as file:
            file.write(f"\n[finetune]\n{options.settings}")
    with Doyen(find_workspace(options.workspace), reporter=Terminal()) as doyen:
        adapter = train_general_reading(
            doyen.workspace,
            doyen.store,
            options.paragraphs,
            limit=options.limit,
            start=options.start,
            seen=options.seen,
            reporter=doyen.reporter,
        )
    write(adapter, options.out)


def write(adapter: Adapter, out: Path) -> None:
    """Write an adapter as it is shipped: weights in bfloat16, half the size of what they were trained in."""
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(adapter.folder / WEIGHTS).items()}
    save_file(weights, out / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((adapter.folder / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = adapter.base_model  # not where it lies on this machine
    (out / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (out / "manifest.json").write_text(json.dumps(adapter.manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
