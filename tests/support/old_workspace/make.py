"""Made `labels-0009.sql` and `expected.json`: a workspace of schema 0009, and what the code of that time read from it.

Run once, with the code of schema 0009: `python tests/support/old_workspace/make.py`. Later code must read the same.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from pathlib import Path

from doyen.annotation import create_project, import_pairs, pull, push, read_labels, text_tasks
from doyen.annotation.current_labels import labelled_texts
from doyen.annotation.exchange.label_import import store_labels
from doyen.annotation.quality.gold import gold_labels, seed_gold
from doyen.annotation.quality.review import accept_consensus, find_disputes, send_to_review
from doyen.annotation.status import project_status
from doyen.annotation.texts import PlainText
from doyen.annotation.types.descriptions import parse_description
from doyen.annotation.types.spans import Span
from doyen.annotation.types.typed_labels import Classes, LabelledText, PromptResponse
from doyen.core.records import Pair
from doyen.core.store import Store, open_store
from doyen.core.workspace import Workspace, create_workspace

HERE = Path(__file__).parent
PARTS = "The pump PN 410-778 feeds the heated line and the membrane kit MK-7 twice a year."
NAMES = [{"name": "PART"}, {"name": "TIME"}]
PROJECTS = {
    "parts": ({"type": "entities", "labels": NAMES, "relations": ["feeds"]}, [PARTS, "The 😀 line holds 2 pumps."]),
    "who": ({"type": "coreference", "labels": NAMES}, [PARTS]),
    "tags": ({"type": "pos", "labels": NAMES}, [PARTS]),
    "topics": ({"type": "classification", "labels": NAMES}, [f"Text {number} is about a part." for number in range(5)]),
    "several": ({"type": "classification", "multiple": True, "labels": NAMES}, [PARTS]),
    "qa": ({"type": "prompt-response"}, [PARTS]),
}


def mark(identity: str, words: str, label: str = "PART", field: str = "label", **changed: object) -> dict[str, object]:
    start = PARTS.index(words)
    value = {"start": start, "end": start + len(words), "text": words, "labels": [label], **changed}
    return {"id": identity, "from_name": field, "to_name": "text", "type": "labels", "value": value}


def link(head: str, tail: str, *names: str, direction: str = "right") -> dict[str, object]:
    return {"from_id": head, "to_id": tail, "type": "relation", "direction": direction, "labels": list(names)}


def field(name: str, kind: str, **value: object) -> dict[str, object]:
    return {"id": name, "from_name": name, "to_name": "passage", "type": kind, "value": value}


def choice(*names: str) -> dict[str, object]:
    return {"id": "c", "from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": list(names)}}


MARKS = [mark("a", "pump"), mark("b", "heated line"), mark("c", "twice a year", "TIME")]
ASKED = [field("prompt", "textarea", text=["What feeds the line?"]), field("response", "textarea", text=["The pump."])]
UNCERTAIN = field("answerable", "choices", choices=["not answerable from this passage"])
RESULTS = {
    "parts": [
        [*MARKS, link("a", "b", "feeds", direction="bi")],
        [*MARKS, mark("d", "feeds", "VERB"), mark("e", "year", end=900), link("a", "d", "feeds"), link("a", "c")],
        [mark("d", "feeds", "VERB")],
        [],
    ],
    "who": [[*MARKS, link("a", "b", "same")], [*MARKS, link("a", "a")]],
    "tags": [MARKS, [*MARKS, mark("f", "line and")]],
    "several": [[choice("PART", "TIME")], [choice("PART", "POEM")], [choice("POEM")], [choice()]],
    "qa": [
        [*ASKED, mark("p", "heated line", "evidence", "evidence"), field("rating", "rating", rating=4)],
        [*ASKED, mark("p", "pump", "evidence", "evidence", text="valve")],
        [ASKED[0], UNCERTAIN, field("comment", "textarea", text=["Not in here."])],
        [*ASKED, field("rating", "rating", rating=9), field("quotes", "textarea", text=["See page 3."])],
        [ASKED[0], field("response", "textarea", text=["  "])],
    ],
}


def label(workspace: Workspace, name: str, given: dict[str, list[list[dict[str, object]]]]) -> None:
    """Put annotations into the project's files: text → results, one of each annotator."""
    home = workspace.annotation_folder / name
    tasks = [json.loads(line) for line in (home / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    for task in tasks:
        task["annotations"] = [
            {"id": n, "completed_by": f"p{n}@example.com", "result": result, "updated_at": f"2026-02-0{n}T10:00:00Z"}
            | ({"ground_truth": True} if name == "several" and n == 1 else {})
            for n, result in enumerate(given.get(task["data"]["text"], []), start=1)
        ]
    (home / "labels.json").write_text(json.dumps(tasks), encoding="utf-8")


def fill(workspace: Workspace, store: Store) -> None:
    """Make the projects, label them, and review one."""
    for name, (raw, texts) in PROJECTS.items():
        create_project(workspace, store, name, description=parse_description(raw, name))
        text_tasks(store, name, [PlainText(text, str(n), "t") for n, text in enumerate(texts)])
        push(workspace, store, name)
        given = {PARTS: RESULTS.get(name, [])}
        if name == "topics":
            sides = [("PART", "PART"), ("PART", "TIME"), ("TIME", "TIME"), ("PART", "TIME"), ("PART", "PART")]
            given = {text: [[choice(side)] for side in both] for text, both in zip(texts, sides, strict=True)}
        label(workspace, name, given)
        pull(workspace, store, name)
    pull(workspace, store, "topics")
    seed_gold(store, "topics", [LabelledText("g", "Text 4 is about a part.", Classes(("PART",)))])
    seed_gold(
        store, "qa", [LabelledText("g", "Keep it dry.", PromptResponse("How?", "dry", True, (Span(5, 7, "it"),), rating=5))]
    )
    taken = LabelledText("i", "Taken from a file.", Classes(("TIME",)), "ann", "2026-03-01", {"page": 2})
    store_labels(workspace, store, "topics", [taken])
    quoted = Pair(id="x", prompt="Who?", response="The line.", evidence=["heated line"], group="g1", annotator="ben")
    import_pairs(workspace, store, "qa", [quoted, Pair(id="y", prompt="Why?", response="The documents do not say.")])
    send_to_review(workspace, store, "topics", find_disputes(store, "topics"), expert="lead@example.com")
    home = workspace.annotation_folder / "topics review"
    tasks = [json.loads(line) for line in (home / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    for number, task in enumerate(tasks):
        why = [field("reason", "textarea", text=["It says so."])] if number == 0 else []
        who = {"id": 1, "completed_by": "lead@example.com", "updated_at": "2026-03-02T10:00:00Z"}
        task["annotations"] = [{**who, "result": [choice("PART"), *why]}]
    (home / "labels.json").write_text(json.dumps(tasks), encoding="utf-8")
    pull(workspace, store, "topics review")
    accept_consensus(store, "topics")


def said(store: Store) -> dict[str, object]:
    """Return everything that is read from the stored labels."""
    found: dict[str, object] = {}
    for name in [*PROJECTS, "topics review"]:
        problems: list[str] = []
        every = [repr(item) for item in labelled_texts(store, name, decided=False, gold=True, problems=problems)]
        read = read_labels(store, name)
        status = project_status(store, name)
        found[name] = {
            "labels": sorted(every),
            "problems": sorted(problems),
            "decided": sorted(repr(item) for item in labelled_texts(store, name)),
            "pairs": [pair.model_dump(mode="json") for pair in read.pairs],
            "left out": read.problems,
            "gold": {uid: repr(known) for uid, known in sorted(gold_labels(store, name).items())},
            "counts": [status.incomplete, status.parts_left_out, status.invalid, status.versions, status.labelled_twice],
            "people": [status.annotators, status.decisions, status.tasks],
        }
    return found


def main() -> None:
    """Write both files."""
    root = Path(tempfile.mkdtemp()) / "old"
    workspace = create_workspace(root, "old")
    store = open_store(workspace)
    fill(workspace, store)
    found = said(store)
    store.close()
    database = sqlite3.connect(workspace.state / "doyen.db")
    dump = "\n".join(database.iterdump())
    database.close()
    (HERE / "labels-0009.sql").write_text(dump + "\n", encoding="utf-8")
    (HERE / "expected.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
