"""``make bench`` tells a missed bar from a benchmark that never measured anything."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

RUNNER = Path(__file__).resolve().parents[2] / "benchmarks" / "run_all.py"


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("sys.exit(0)", "passed"),
        ("pass", "passed"),
        ("sys.exit(1)", "missed a bar"),
        ("raise ValueError('broken')", "crashed (exit code 1)"),
        ("sys.exit('no data')", "crashed (exit code 1)"),
        ("import no_such_module", "crashed (exit code 1)"),
        ("os.kill(os.getpid(), 9)", "crashed (exit code -9)"),
        ("assert sys.argv[1:] == ['--data', 'x'] and __name__ == '__main__'", "passed"),
    ],
)
def test_a_crash_is_no_miss(body: str, outcome: str, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("run_all", RUNNER)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    script = tmp_path / "bench.py"
    script.write_text(f"import os, sys\n{body}\n")
    assert module.run_script(script, ["--data", "x"]).startswith(outcome)
