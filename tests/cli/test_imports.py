"""Commands load the heavy libraries only where they use them: each takes up to seconds to import."""

import json
import subprocess
import sys

import pytest

from doyen.core.store import open_store

MODELS = {"torch", "transformers", "peft", "sentence_transformers", "openai", "ragas", "xllamacpp"}
HEAVY = {*MODELS, "chromadb", "llama_index", "sklearn", "scipy", "alembic", "gradio", "fastapi", "uvicorn", "label_studio_sdk"}
RUN = """
import atexit, json, sys
from doyen.platform.cli.main import main

atexit.register(lambda: print(json.dumps(sorted(name for name in sys.modules if "." not in name))))
main()
"""


def imported(*arguments: object) -> set[str]:
    """Run a command in a process of its own and return the top-level modules that it loaded."""
    done = subprocess.run([sys.executable, "-c", RUN, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_loads_neither_a_database_nor_settings():
    assert imported("--help").isdisjoint({*HEAVY, "sqlalchemy", "numpy", "pydantic"})


@pytest.mark.parametrize(
    "command",
    [
        ["adapters", "list"],
        ["dataset", "list"],
        ["annotate", "create", "--project", "qa"],
        ["annotate", "status", "--project", "qa"],
        ["annotate", "push", "--project", "qa"],
        ["eval", "gate", "no-such-folder"],
        ["remove", "no-such-document"],
        ["train", "no-such-dataset"],
    ],
    ids=" ".join,
)
def test_commands_that_need_no_model_load_no_heavy_library(workspace, command):
    open_store(workspace).close()
    assert imported(*command, "--workspace", workspace.root).isdisjoint(HEAVY)


def test_a_dataset_is_built_with_what_finds_leaks_and_no_other_heavy_library(workspace, tmp_path):
    open_store(workspace).close()
    pairs = [{"id": str(n), "prompt": f"question {n}", "response": f"answer {n}"} for n in range(12)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    built = imported("dataset", "build", tmp_path / "pairs.jsonl", "--name", "qa", "--workspace", workspace.root)
    assert built & HEAVY <= {"scipy", "torch", "transformers"}


def test_a_new_workspace_loads_only_what_makes_its_database(tmp_path):
    assert imported("init", tmp_path / "space").isdisjoint(HEAVY - {"alembic"})
