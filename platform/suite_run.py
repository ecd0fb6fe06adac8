"""Running a suite of a domain: by a generator, by a head, or as an evaluation on documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from doyen.core.errors import InputError
from doyen.core.files import write_json_atomic
from doyen.eval.head_scores import Sampling
from doyen.eval.suites import (
    ChoiceReport,
    ChoiceRow,
    ChoiceSuite,
    ModelChooser,
    QuestionSuite,
    read_choices,
    read_suite,
    run_choices,
)
from doyen.finetune.heads.head_split import near_groups, text_hash
from doyen.finetune.heads.train_head import PARTS
from doyen.finetune.registry import CLASSIFIER, Adapter

if TYPE_CHECKING:
    from doyen.eval.report import Report
    from doyen.platform.app import Doyen
    from doyen.platform.serving.served_heads import ServedHeads

REPORT = "suite.json"


def run_suite(doyen: Doyen, path: Path, out: Path, adapter: str | None = None) -> ChoiceReport | Report:
    """Run a suite and write its report to a folder: suite.json, or of questions what `Doyen.evaluate` writes.

    Args:
        adapter: a head that classifies, or an adapter of the generator, as "name" or "name:version"; None asks the base model,
            and of questions what `Doyen.evaluate` takes.

    Raises:
        InputError: the suite is broken, its documents are not ingested, or the head has other classes.
        NotFoundError: there is no such adapter.
    """
    suite = read_suite(path)
    if isinstance(suite, QuestionSuite):
        return _ask_questions(doyen, suite, path, out, adapter)
    rows = read_choices(suite, path)
    settings = doyen.settings.eval
    sampling = Sampling(settings.bootstrap_samples, settings.seed)
    chosen = doyen.adapters.get(adapter) if adapter else None
    if chosen is not None and chosen.kind == CLASSIFIER:
        report = _by_head(doyen.heads, chosen, suite, rows, sampling)
    else:
        report = _by_generator(doyen, chosen, suite, rows, sampling)
    out.mkdir(parents=True, exist_ok=True)
    write_json_atomic(out / REPORT, report.to_json())
    return report


def _by_generator(
    doyen: Doyen, adapter: Adapter | None, suite: ChoiceSuite, rows: Sequence[ChoiceRow], sampling: Sampling
) -> ChoiceReport:
    from doyen.platform.serving.engine_writer import EngineWriter
    from doyen.platform.serving.engines import AdapterFiles, open_engine

    if adapter is not None and not adapter.of_generator:
        raise InputError(f"{adapter.ref} is a {adapter.kind}, which cannot answer this suite: name a classifier or none")
    files = AdapterFiles(adapter.ref, adapter.folder, adapter.base_sha256) if adapter else None
    with closing(open_engine(doyen.workspace)) as engine:
        return run_choices(suite, rows, ModelChooser(EngineWriter(engine, files)), sampling)


def _by_head(
    heads: ServedHeads, adapter: Adapter, suite: ChoiceSuite, rows: Sequence[ChoiceRow], sampling: Sampling
) -> ChoiceReport:
    """Ask a head, but not about texts that it was trained on."""
    known = set(adapter.manifest["inputs"]["options"])
    if strange := sorted({option for row in rows for option in row.options} - known):
        raise InputError(f"head {adapter.ref} does not know these options of suite {suite.name!r}: {', '.join(strange)}")
    trained = set(json.loads((adapter.folder / PARTS).read_text(encoding="utf-8"))["train"])
    asked = [row for row in rows if text_hash(row.text) not in trained]
    left_out = [row.id for row in rows if text_hash(row.text) in trained]
    return run_choices(suite, asked, HeadChooser(heads, adapter), sampling, left_out)


class HeadChooser:
    """Implements ``Chooser`` with the class that a head gives."""

    def __init__(self, heads: ServedHeads, adapter: Adapter) -> None:
        self._heads, self._adapter = heads, adapter

    @property
    def name(self) -> str:
        """Name and version of the head."""
        return f"head {self._adapter.ref}"

    def choose(self, suite: ChoiceSuite, row: ChoiceRow) -> str | None:
        """Return the most probable of the row's options."""
        _, (found,) = self._heads.classify([row.text], self._adapter.ref)
        return next((each.label for each in found.scores if each.label in row.options), None)


def _ask_questions(doyen: Doyen, suite: QuestionSuite, path: Path, out: Path, adapter: str | None) -> Report:
    from doyen.eval.questions import load_questions

    questions = load_questions(path.parent / suite.rows)
    missing = sorted({each.source for each in questions if each.source} - near_groups(doyen.store).keys())
    if missing:
        folders = " ".join(str(path.parent / each) for each in suite.documents)
        raise InputError(
            f"suite {suite.name!r} is about documents that are not there ({', '.join(missing)}): run `doyen ingest {folders}`"
        )
    return doyen.evaluate(questions, out, modes=suite.modes, adapter=adapter)
