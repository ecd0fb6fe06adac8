"""Whether the version in force is answered from, and the superseded one shown as such: ``python benchmarks/versions.py``.

The example domain's questions tagged ``superseded-twin``, mode extract with the general reader, nothing refused. The older
version says otherwise what is cited where one of its sentences is like the cited one (Dice of tokens at least 0.5) and differs.

Which version is answered from is one figure, whether the value is right another: the reader may take other words of the right
document. For each question the first step that failed is printed: ``found`` (no passage that is shown holds the evidence),
``passage`` (another one is answered from), ``words`` (other words of this one), or ``right``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

from sqlalchemy import select

from doyen import Doyen
from doyen.core.answers import Answer, Citation, Passage
from doyen.core.progress import Terminal
from doyen.core.records import Question, read_records
from doyen.core.store import Store
from doyen.core.store.schema import DocumentRow, DocumentVersionRow
from doyen.core.workspace import create_workspace
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.metrics import key_facts
from doyen.platform.serving.other_versions import differing

EXAMPLE = Path(__file__).parents[1] / "examples" / "quillane"
OLDER = {
    "service/SP-M3-01_rev_D_zirconia-sensor.docx": "service/SP-M3-01_rev_C_zirconia-sensor.docx",
    "service/SP-410-02_rev_C_sample-pump.md": "service/SP-410-02_rev_B_sample-pump.md",
    "policies/warranty-2024.docx": "policies/warranty-2022.docx",
}
BAR = 0.9


def main() -> int:
    """Ask the questions, print the figures, return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, help="default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.workspace or Path(temporary) / "space"
        if not (folder / "doyen.toml").is_file():
            create_workspace(folder, "versions")
            settings = '\n[serving]\nrisk = 1.0\nreader = "general"\n'
            (folder / "doyen.toml").write_text(f'name = "versions"\n{settings}', encoding="utf-8")
        with Doyen(folder, reporter=Terminal()) as doyen:
            doyen.ingest([EXAMPLE / "documents"])
            questions = [q for q in read_records(EXAMPLE / "questions.jsonl", Question) if "superseded-twin" in q.tags]
            return int(not measure(doyen, questions))


def measure(doyen: Doyen, questions: list[Question]) -> bool:
    """Print the figures and return whether the bars are passed."""
    in_force, current, right, marked, shown, steps = [], [], [], [], [], Counter[str]()
    for question in questions:
        answer = doyen.ask(question.question, "extract", history=question.history, record=False)
        sources = {citation.source for citation in answer.citations}
        facts = key_facts(question, AnswerRecord.of("", question.id, answer))
        old = OLDER[str(question.source)]
        in_force.append(old not in sources)
        current.append(question.source in sources)
        right += [facts] if facts is not None else []
        marked.append(all(each.superseded_by for each in answer.passages if each.source == old))
        if said_before(doyen.store, answer, old):
            shown.append(any(each.source == old for each in answer.other_versions))
        step = step_of(question, answer, facts)
        steps[step] += 1
        says = [each.quote[-60:] for each in answer.other_versions]
        print(f"{question.id}  {step:8}{'older cited  ' if old in sources else ''}{answer.answer[:60]!r}  {says}")
    print(f"first step that failed: {dict(steps)}")
    passed = [
        bar("not answered from the superseded version", in_force, 1.0),
        bar("answered from the version in force", current, BAR),
        bar("value in force right (all key facts)", right, BAR),
        bar("superseded version marked wherever it is shown", marked, 1.0),
        bar("superseded value shown beside the answer", shown, BAR),
    ]
    return all(passed)


def step_of(question: Question, answer: Answer, facts: float | None) -> str:
    """Return the step of answering that failed first, or "right"; see above."""
    if facts == 1.0:
        return "right"
    if not any(holds_evidence(question, passage) for passage in answer.passages):
        return "found"
    cited = [answer.passages[citation.marker - 1] for citation in answer.citations]
    if not any(holds_evidence(question, passage) for passage in cited):
        return "passage"
    return "words" if facts is not None else "(no key facts)"


def holds_evidence(question: Question, passage: Passage) -> bool:
    """Return whether a passage is of the question's document and holds one of its quotes."""
    text = " ".join(passage.text.split())
    return passage.source == question.source and any(" ".join(quote.split()) in text for quote in question.evidence)


def said_before(store: Store, answer: Answer, older: str) -> list[Citation]:
    """Return what the whole older version says otherwise in the places of the cited sentences."""
    return differing(answer.citations, [_whole(store, older)])


def _whole(store: Store, source: str) -> Passage:
    """Return a superseded document as one passage."""
    version = DocumentVersionRow
    with store.session() as session:
        row = session.scalars(select(DocumentRow).where(DocumentRow.source == source)).one()
        text = session.scalars(select(version.text).where(version.document_id == row.document_id)).one()
    newest = next(new for new, old in OLDER.items() if old == source)
    return Passage("", row.document_id, row.version, source, 0, len(text), None, "", 0.0, text, superseded_by=newest)


def bar(name: str, values: list[bool] | list[float], least: float | None) -> bool:
    """Print a share beside its bar and return whether it passes."""
    value = statistics.mean(values) if values else 0.0
    verdict = "" if least is None else f"  (bar {least:g}: {'passed' if value >= least else 'MISSED'})"
    print(f"{name:<50} {value:6.3f}  n {len(values)}{verdict}", flush=True)
    return least is None or value >= least


if __name__ == "__main__":
    sys.exit(main())
