"""A training process that kills itself at a given step. Usage: killed_run.py WORKSPACE DATASET_ID STEP."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from conftest import WordRetriever

from doyen.core.progress import Silent
from doyen.core.store import open_store
from doyen.core.workspace import Workspace
from doyen.finetune.dataset import load_dataset
from doyen.finetune.train import train_adapter


class Killer(Silent):
    def __init__(self, step: int) -> None:
        self.left = step

    def bar(self, title, total):
        return _KillingBar(self, title)


class _KillingBar:
    def __init__(self, owner: Killer, title: str) -> None:
        self.owner, self.title = owner, title

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def advance(self, amount=1, note=""):
        if "training" in self.title:
            self.owner.left -= amount
            if self.owner.left < 0:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    workspace = Workspace(Path(sys.argv[1]))
    store = open_store(workspace)
    dataset = load_dataset(workspace, sys.argv[2])
    train_adapter(workspace, store, dataset, WordRetriever(store), name="tiny", reporter=Killer(int(sys.argv[3])))
