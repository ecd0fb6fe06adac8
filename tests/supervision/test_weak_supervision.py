"""Labelling functions from a user's file and from rules, up to drafts, soft labels and pairs of a project."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from doyen import Doyen
from doyen.annotation import TaskDescription, labelled_texts, task_texts
from doyen.core.errors import InputError, RecordError
from doyen.core.records import Pair, read_records
from doyen.core.store import Store
from doyen.core.store.schema import AnnotationTaskRow
from doyen.core.workspace import Workspace
from doyen.finetune.supervision.weak import LabellingFunction, TextItem, labelling_function, span_function
from doyen.finetune.supervision.weak.functions import load_functions
from doyen.finetune.supervision.weak.gazetteer import Gazetteer
from doyen.finetune.supervision.weak.rules import load_rules
from doyen.finetune.supervision.weak.votes import collect_spans, collect_votes

CLASSES = ("fee", "card")
TEXTS = (
    "Why was I charged a fee?",
    "My card is gone.",
    "A fee for my card?",
    "Hello there.",
    "Which charges apply?",
    "Somebody stole my card.",
)
FUNCTIONS = """
from doyen.finetune.supervision.weak import labelling_function

@labelling_function
def says_fee(item):
    return "fee" if "fee" in item.text else None

@labelling_function(name="charged")
def about_charges(item):
    return "fee" if "charge" in item.text else None

@labelling_function
def broken(item):
    if item.text.startswith("My"):
        return "card"
    return {"A": "fee"}[item.text[0]]

@labelling_function
def unheard_of(item):
    return "loan" if "Hello" in item.text else None
"""
RULES = """
[[rules]]
name = "card words"
kind = "keyword"
label = "card"
words = ["card", "PIN code"]
unless = ["fee"]

[[rules]]
name = "lost or stolen"
kind = "regex"
label = "card"
pattern = "(is|was) gone|st[oe]le"
"""


@pytest.fixture
def doyen(workspace: Workspace, store: Store, tmp_path: Path) -> Doyen:
    """A workspace with the texts as tasks of a project, one of them with a known answer."""
    doyen = Doyen(workspace, store=store)
    labels = [{"name": name} for name in CLASSES]
    description = TaskDescription.model_validate({"type": "classification", "labels": labels})
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), encoding="utf-8")
    (tmp_path / "gold.jsonl").write_text(json.dumps({"text": TEXTS[1], "label": ["card"]}) + "\n", encoding="utf-8")
    doyen.annotate.create("desk", description=description, texts=tmp_path / "texts.jsonl")
    doyen.annotate.gold("desk", tmp_path / "gold.jsonl", "doccano")
    return doyen


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    code, rules = tmp_path / "functions.py", tmp_path / "rules.toml"
    code.write_text(FUNCTIONS, encoding="utf-8")
    rules.write_text(RULES, encoding="utf-8")
    return [code, rules]


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_function_or_file_that_ends_the_process_is_reported_too(doyen: Doyen, files: list[Path], tmp_path: Path) -> None:
    quits = (
        "import sys\nfrom doyen.finetune.supervision.weak import labelling_function\n@labelling_function\ndef quits(item):\n"
    )
    ends = written(tmp_path / "quits.py", f"{quits}    sys.exit('a\\n\\nb')\n")
    report = doyen.label_weakly("desk", [*files, ends], method="majority", only_table=True)
    assert sum(failure.problem == "SystemExit: a b" for failure in report.failures) == 6
    with pytest.raises(InputError, match="line 2: SystemExit"):
        load_functions(written(tmp_path / "ends.py", "import sys\nsys.exit(1)\n"))


def test_functions_become_drafts_and_never_labels(
    doyen: Doyen, files: list[Path], workspace: Workspace, store: Store, tmp_path: Path
) -> None:
    report = doyen.label_weakly("desk", files, method="majority", pairs=tmp_path / "weak.jsonl")
    assert (report.texts, report.covered, report.labelled, report.known, report.drafted) == (6, 5, 5, 1, 6)
    assert report.folder
    assert list(labelled_texts(store, "desk")) == []
    doyen.annotate.push("desk")
    lines = (workspace.annotation_folder / "desk" / "tasks.jsonl").read_text(encoding="utf-8").splitlines()
    tasks = {task["data"]["text"]: task["predictions"] for task in map(json.loads, lines)}
    with store.session() as session:
        stored = [each for row in session.query(AnnotationTaskRow) for each in row.predictions]
    assert {each["model_version"] for each in stored} == {report.version}
    assert {each["score"] for each in stored} == {1.0}
    assert tasks["Hello there."] == []
    assert tasks["My card is gone."][0]["result"][0]["value"]["choices"] == ["card"]
    pairs = read_records(tmp_path / "weak.jsonl", Pair)
    assert [pair.response for pair in pairs].count("fee") == 3
    assert {pair.annotator for pair in pairs} == {report.version}
    assert report.pairs == len(pairs) == 4
    stolen = json.loads(next(line for line in (report.folder / "soft_labels.jsonl").open() if "stole" in line))
    assert stolen["votes"] == {"card words": "card", "lost or stolen": "card"}
    assert "My card is gone." not in (tmp_path / "weak.jsonl").read_text(encoding="utf-8")


def test_soft_labels_keep_probabilities_and_can_be_replayed(doyen: Doyen, files: list[Path]) -> None:
    report = doyen.label_weakly("desk", files)
    assert report.folder
    rows = {row["text"]: row for row in map(json.loads, (report.folder / "soft_labels.jsonl").open(encoding="utf-8"))}
    assert TEXTS[1] not in rows
    assert sum(rows[TEXTS[0]]["probabilities"].values()) == pytest.approx(1)
    assert rows[TEXTS[0]]["votes"] == {"says_fee": "fee", "charged": "fee"}
    assert rows["Hello there."]["label"] is None
    manifest = json.loads((report.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["inputs"]["functions"].keys() == {"functions.py", "rules.toml"}
    again = doyen.label_weakly("desk", files)
    assert (again.version, again.functions) == (report.version, report.functions)


def test_a_function_that_raises_is_reported_with_its_row_and_stops_nothing(
    doyen: Doyen, files: list[Path], store: Store
) -> None:
    report = doyen.label_weakly("desk", files, method="majority", only_table=True)
    assert report.folder is None
    shown = task_texts(store, "desk")
    failures = {(failure.function, shown[failure.row - 1].text): failure.problem for failure in report.failures}
    assert [shown[failure.row - 1].item_id for failure in report.failures] == [failure.item_id for failure in report.failures]
    assert failures["broken", "Hello there."] == "KeyError: 'H'"
    assert failures["unheard_of", "Hello there."] == "ValueError: voted for 'loan', which is none of the labels"
    figures = {row.name: row for row in report.functions}
    assert (figures["broken"].failures, figures["broken"].coverage) == (4, 2 / 6)
    assert (figures["broken"].judged, figures["broken"].accuracy) == (1, 1.0)
    assert figures["says_fee"].judged == 0
    shown_first = report.as_text().splitlines()
    assert f"failed first: {report.failures[0]}; 4 in all" in shown_first
    assert sum(line.startswith("failed first: unheard_of") for line in shown_first) == 1, "one line for each function"


def test_entities_are_marked_by_code_and_by_a_table_of_names(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    doyen = Doyen(workspace, store=store)
    labels = [{"name": "PART"}, {"name": "PLACE"}]
    description = TaskDescription.model_validate({"type": "entities", "labels": labels})
    texts = ["Replace the sample pump in Old Town 😀.", "The Sample Pump leaks.", "Nothing here."]
    given = written(tmp_path / "texts.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    doyen.annotate.create("parts", description=description, texts=given)
    written(tmp_path / "parts.csv", "part,kind\nsample pump,PART\npump,PART\nOld Town,PLACE\n,PART\n")
    rules = written(
        tmp_path / "rules.toml",
        '[[rules]]\nname = "catalogue"\nkind = "gazetteer"\nfile = "parts.csv"\nlabel_column = "kind"\n'
        '[[rules]]\nname = "places"\nkind = "regex"\nlabel = "PLACE"\npattern = "in ((?:[A-Z]\\\\w+ ?)+)"\nmatch_case = true\n',
    )
    code = written(
        tmp_path / "functions.py",
        "from doyen.finetune.supervision.weak import span_function\n@span_function\ndef pumps(item):\n"
        "    at = item.text.find('pump')\n    if at >= 0:\n        yield at, at + 4, 'PART'\n",
    )
    report = doyen.label_weakly("parts", [rules, code], threshold=0.5)
    assert (report.covered, report.labelled) == (2, 2)
    doyen.annotate.push("parts")
    lines = (workspace.annotation_folder / "parts" / "tasks.jsonl").read_text(encoding="utf-8").splitlines()
    tasks = {task["data"]["text"]: task["predictions"] for task in map(json.loads, lines)}
    values = [each["value"] for each in tasks[texts[0]][0]["result"] if "labels" in each["value"]]
    assert [(texts[0][value["start"] : value["end"]], value["labels"]) for value in values] == [
        ("sample pump", ["PART"]),
        ("Old Town", ["PLACE"]),
    ]
    assert tasks["Nothing here."] == []


def test_meaning_and_another_models_output_are_rules_too(tmp_path: Path) -> None:
    vectors = {"where is my card": [1.0, 0.0], "my card": [0.8, 0.6], "hi": [0.0, 1.0], "bye": [0.0, 1.0]}
    written(tmp_path / "out.jsonl", '{"text": "hi", "label": "fee", "score": 0.9}\n{"id": "2", "label": "fee", "score": 0.1}\n')
    rules = written(
        tmp_path / "rules.toml",
        '[[rules]]\nname = "near"\nkind = "embedding"\nlabel = "card"\nlike = ["where is my card"]\nunlike = ["bye"]\n'
        '[[rules]]\nname = "model"\nkind = "output"\nfile = "out.jsonl"\nat_least = 0.5\n',
    )
    functions = load_rules(
        rules, CLASSES, marks=False, embed=lambda texts: np.array([vectors[text] for text in texts], np.float32)
    )
    votes = collect_votes(functions, [TextItem("1", "my card"), TextItem("2", "hi"), TextItem("3", "hi")], CLASSES)
    assert votes.matrix.tolist() == [[1, -1], [-1, -1], [-1, 0]]
    with pytest.raises(InputError, match="compares whole texts"):
        load_rules(rules, CLASSES, marks=True, embed=lambda texts: np.zeros((len(texts), 2), np.float32))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[[rules]]\nname = "a"\nkind = "regex"\nlabel = "fee"\npattern = "("\n',
            r"rules.1.pattern: it is no regular expression",
        ),
        ('[[rules]]\nname = "a"\nkind = "keyword"\nlabel = "fee"\nwords = []\nword = 1\n', "2 mistake"),
        ('[[rules]]\nname = "a"\nkind = "keyword"\nlabel = "loan"\nwords = ["a"]\n', "none of the labels"),
        ('[[rules]]\nname = "a"\nkind = "gazetteer"\nlabel = "fee"\nfile = "no.csv"\n', "cannot be read"),
        ('[[rules]]\nname = "a"\nkind = "gazetteer"\nfile = "rules.toml"\n', "needs either label or label_column"),
        ("[[rules]\n", "not valid TOML"),
        ("", "holds no rules"),
    ],
)
def test_wrong_rules_are_named(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        load_rules(
            written(tmp_path / "rules.toml", text), CLASSES, marks=False, embed=lambda texts: np.zeros((0, 1), np.float32)
        )


def test_wrong_files_of_functions_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2: ZeroDivisionError"):
        load_functions(written(tmp_path / "a.py", "x = 1\ny = x / 0\n"))
    with pytest.raises(InputError, match="line 1: SyntaxError"):
        load_functions(written(tmp_path / "b.py", "def f(:\n"))
    with pytest.raises(InputError, match="holds no labelling function"):
        load_functions(written(tmp_path / "c.py", "x = 1\n"))
    with pytest.raises(InputError, match="no such file"):
        load_functions(tmp_path / "d.py")
    with pytest.raises(RecordError, match="line 1"):
        rules = '[[rules]]\nname = "a"\nkind = "output"\nfile = "out.jsonl"\n'
        written(tmp_path / "out.jsonl", '{"label": "fee"}\n')
        load_rules(written(tmp_path / "r.toml", rules), CLASSES, marks=False, embed=lambda texts: np.zeros((0, 1), np.float32))


def test_kinds_of_functions_and_of_labels_must_agree() -> None:
    @labelling_function
    def votes(item: TextItem) -> str:
        return "fee"

    @span_function
    def marks(item: TextItem) -> list[tuple[int, int, str]]:
        return [(0, 3, "fee"), (1, 99, "fee")]

    items = [TextItem("1", "a fee")]
    assert votes(items[0]) == "fee"
    with pytest.raises(InputError, match="use @labelling_function"):
        collect_votes([marks], items, CLASSES)
    with pytest.raises(InputError, match="use @span_function"):
        collect_spans([votes], items, CLASSES)
    with pytest.raises(InputError, match="give each a name of its own"):
        collect_votes([votes, LabellingFunction("votes", votes.apply)], items, CLASSES)
    found = collect_spans([marks], items, CLASSES)
    assert found.marked == (((),),)
    assert "marked 1 to 99 in a text of 5 characters" in found.failures[0].problem


def test_names_are_whole_words_and_the_longest_counts() -> None:
    names = Gazetteer([("heat", "A"), ("heat exchanger", "B"), ("P-410", "C"), ("  ", "A")])
    assert len(names) == 3
    text = "Heat the HEAT exchanger, reheat p-410."
    assert [(text[start:end], label) for start, end, label in names.find(text)] == [
        ("Heat", "A"),
        ("HEAT exchanger", "B"),
        ("p-410", "C"),
    ]
    assert [label for *_, label in Gazetteer([("US", "A")], match_case=True).find("us and US")] == ["A"]


def test_other_kinds_of_projects_are_refused(workspace: Workspace, store: Store, files: list[Path]) -> None:
    doyen = Doyen(workspace, store=store)
    doyen.annotate.create("qa")
    with pytest.raises(InputError, match="labels of type prompt-response"):
        doyen.label_weakly("qa", files)


SEVERAL = """
from doyen.finetune.supervision.weak import labelling_function

@labelling_function
def both(item):
    return ["fee", "card"] if "fee" in item.text and "card" in item.text else None

@labelling_function
def no_card(item):
    return {"card": False} if "charge" in item.text else None

@labelling_function
def wrong(item):
    return ["loan"] if "Hello" in item.text else []
"""
SEVERAL_RULES = """
[[rules]]
name = "fee words"
kind = "keyword"
label = "fee"
words = ["fee", "charges"]

[[rules]]
name = "card words"
kind = "keyword"
label = "card"
words = ["card"]

[[rules]]
name = "greeting"
kind = "regex"
label = "fee"
pattern = "hello"
applies = false

[[rules]]
name = "model"
kind = "output"
file = "out.jsonl"
"""


def test_several_classes_are_each_decided_by_themselves(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    doyen = Doyen(workspace, store=store)
    labels = [{"name": name} for name in CLASSES]
    description = TaskDescription.model_validate({"type": "classification", "multiple": True, "labels": labels})
    texts = written(tmp_path / "texts.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    doyen.annotate.create("several", description=description, texts=texts)
    doyen.annotate.gold(
        "several", written(tmp_path / "gold.jsonl", json.dumps({"text": TEXTS[4], "label": ["fee"]}) + "\n"), "doccano"
    )
    written(tmp_path / "out.jsonl", json.dumps({"text": TEXTS[0], "label": ["fee"]}) + "\n")
    files = [written(tmp_path / "f.py", SEVERAL), written(tmp_path / "r.toml", SEVERAL_RULES)]
    report = doyen.label_weakly("several", files, method="majority", pairs=tmp_path / "weak.jsonl")
    assert (report.covered, report.labelled, report.known) == (6, 5, 1)
    assert [failure.problem for failure in report.failures] == ["ValueError: voted for 'loan', which is none of the labels"]
    figures = {row.name: row for row in report.functions}
    assert (figures["both"].coverage, figures["both"].overlap, figures["both"].conflict) == (1 / 6, 1 / 6, 0)
    assert (figures["no_card"].judged, figures["no_card"].accuracy, figures["no_card"].labels) == (1, 1.0, ("card",))
    assert (figures["model"].labels, figures["greeting"].labels) == (("fee", "card"), ("fee",))
    assert (report.together.judged, report.together.accuracy) == (2, 1.0)
    assert report.folder
    rows = {row["text"]: row for row in map(json.loads, (report.folder / "soft_labels.jsonl").open(encoding="utf-8"))}
    assert rows[TEXTS[2]]["probabilities"] == {"fee": 1.0, "card": 1.0}
    assert rows[TEXTS[2]]["label"] == ["fee", "card"]
    assert rows[TEXTS[2]]["votes"]["both"] == {"fee": True, "card": True}
    assert rows[TEXTS[0]]["label"] == ["fee"]
    assert rows["Hello there."] == {**rows["Hello there."], "probabilities": {"fee": 0.0}, "label": None}
    pairs = read_records(tmp_path / "weak.jsonl", Pair)
    assert sorted(pair.response for pair in pairs) == ["card", "card", "fee", "fee\ncard"]
    chances = doyen.label_weakly("several", files, only_table=True).method
    assert chances == "label-model", "with too few functions for a class its majority decides"
    with pytest.raises(InputError, match="for several classes a text alone"):
        load_rules(files[1], CLASSES, marks=False, embed=lambda texts: np.zeros((0, 1), np.float32))
