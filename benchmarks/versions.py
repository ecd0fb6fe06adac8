"""Whether the version in force is answered from, and the superseded one shown as such: ``python benchmarks/versions.py``.

The example domain's questions tagged ``superseded-twin``, mode extract with the general reader, nothing refused. The older
version says the same otherwise where one of its sentences is like the evidence (Dice of tokens at least 0.5) and differs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from sqlalchemy import select

from doyen import Doyen
from doyen.core.answers import Answer, Passage
from doyen.core.progress import Terminal
from doyen.core.records import Question, read_records
from doyen.core.store import Store
from doyen.core.store.schema import DocumentRow, DocumentVersionRow
from doyen.core.workspace import create_workspace
from doyen.eval.answer_log import AnswerRecord
from doyen.eval.metrics import key_facts
from doyen.platform.serving.other_versions import differing
from doyen.retrieval.citations import citation_at
from doyen.retrieval.units import split_sentences

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
    cited, right, marked, shown = [], [], [], []
    for question in questions:
        answer = doyen.ask(question.question, "extract", history=question.history, record=False)
        sources = {citation.source for citation in answer.citations}
        facts = key_facts(question, AnswerRecord.of("", question.id, answer))
        old = OLDER[str(question.source)]
        cited.append(old not in sources)
        right += [facts] if facts is not None else []
        marked.append(all(each.superseded_by for each in _all(answer) if each.source == old))
        if question.source in sources and differs(doyen.store, question, old):
            shown.append(any(each.source == old for each in answer.other_versions))
        line = f"{question.id}  {'older cited' if old in sources else '':12} facts {facts}  {answer.answer[:60]!r}"
        print(f"{line}  {[each.quote[:60] for each in answer.other_versions]}")
    passed = [
        bar("no value of the superseded version answered", cited, BAR),
        bar("key facts of the version in force right", right, BAR),
        bar("superseded version marked wherever it is shown", marked, 1.0),
        bar("superseded value shown beside the answer", shown, BAR),
    ]
    return all(passed)


def _all(answer: Answer) -> list[Passage]:
    return list(answer.passages)


def differs(store: Store, question: Question, older: str) -> bool:
    """Return whether the older version says something else in the place of the evidence."""
    new, old = (_whole(store, source) for source in (str(question.source), older))
    flat = " ".join(question.evidence[0].split())
    places = [place for place in split_sentences(new.text) if flat in " ".join(new.text[slice(*place)].split())]
    return bool(places) and bool(differing([citation_at([new], 1, *places[0])], [old]))


def _whole(store: Store, source: str) -> Passage:
    """Return a document as one passage of its family."""
    version = DocumentVersionRow
    with store.session() as session:
        row = session.scalars(select(DocumentRow).where(DocumentRow.source == source)).one()
        text = session.scalars(select(version.text).where(version.document_id == row.document_id)).one()
    newest = OLDER.get(source) is not None
    by = None if newest else next(new for new, old in OLDER.items() if old == source)
    return Passage("", row.document_id, row.version, source, 0, len(text), None, "", 0.0, text, superseded_by=by)


def bar(name: str, values: list[bool] | list[float], least: float | None) -> bool:
    """Print a share beside its bar and return whether it passes."""
    value = statistics.mean(values) if values else 0.0
    verdict = "" if least is None else f"  (bar {least:g}: {'passed' if value >= least else 'MISSED'})"
    print(f"{name:<50} {value:6.3f}  n {len(values)}{verdict}", flush=True)
    return least is None or value >= least


if __name__ == "__main__":
    sys.exit(main())
