"""Datasets in the formats of other tools, and back: nothing is lost."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doyen.core.errors import InputError, RecordError
from doyen.core.records import REFUSAL, TEXT_MARK, Pair, Turn
from doyen.core.text import is_blank
from doyen.finetune.dataset import Dataset
from doyen.finetune.dataset.dataset_formats import FORMATS
from doyen.finetune.dataset.exchange import export_dataset, import_rows
from doyen.platform.datasets import Datasets

MANIFEST = {
    "inputs": {"name": "made"},
    "fingerprint": "0" * 64,
    "created_at": "2026-11-28",
    "settings": {},
    "recipe": {"split": "document", "personal_data": "keep"},
    "counts": {"train": 1, "validation": 1, "test": 1, "unanswerable": 0, "dropped": {}, "disagreements": 0,
               "frozen": 0, "replay": 0},
    "classification": False,
    "classes": {},
    "notes": [],
    "missing": [],
    "masked": {},
    "leak_check": {},
    "origin": {},
    "annotators": {},
    "dates": [],
    "lineage": {},
}  # fmt: skip
filled = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda text: not is_blank(text))
prompts = filled | st.tuples(filled, filled).map(TEXT_MARK.join) | filled.map(lambda text: f"{TEXT_MARK}{text}{TEXT_MARK}")
optional = st.none() | filled
turns = st.builds(Turn, role=st.sampled_from(["user", "assistant"]), content=filled)
pairs = st.builds(
    Pair,
    id=filled,
    prompt=prompts,
    response=filled,
    source=optional,
    evidence=st.lists(filled, max_size=2),
    annotator=optional,
    created_at=optional,
    group=optional,
    history=st.lists(turns, max_size=3),
)
parts = st.lists(pairs, min_size=3, max_size=8, unique_by=lambda pair: pair.id)


def dataset(rows, folder=Path("nowhere")) -> Dataset:
    return Dataset("made-1", "made", folder, rows[2:], rows[:1], MANIFEST, rows[1:2])


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=12, deadline=None)
@given(parts)
def test_every_format_gives_back_what_it_was_given(name, rows):
    with tempfile.TemporaryDirectory() as folder:
        export_dataset(dataset(rows), Path(folder) / "out", name)
        found = import_rows(Path(folder) / "out")
    assert found.pairs == [*rows[2:], rows[0], rows[1]]
    assert [found.parts[pair.id] for pair in found.pairs] == ["train"] * (len(rows) - 2) + ["validation", "test"]
    assert not found.dropped


ROWS = [
    Pair(id="a", prompt=f"Is it urgent?{TEXT_MARK}The valve leaks.", response="yes", annotator="mara"),
    Pair(id="b", prompt="And how tight?", response="2.1 Nm.", source="a.md", evidence=["2.1 Nm"],
         history=[Turn(role="user", content="How is it closed?"), Turn(role="assistant", content="With screws.")]),
    Pair(id="c", prompt="What does it cost?", response=REFUSAL),
]  # fmt: skip


def test_other_tools_find_what_they_expect(tmp_path):
    for name in FORMATS:
        export_dataset(dataset(ROWS), tmp_path / name, name)
        assert "# Dataset made" in (tmp_path / name / "README.md").read_text()
    [messages] = [json.loads(line) for line in (tmp_path / "messages" / "test.jsonl").read_text().splitlines()]
    assert [turn["role"] for turn in messages["messages"]] == ["user", "assistant", "user", "assistant"]
    [alpaca] = json.loads((tmp_path / "alpaca" / "validation.json").read_text())
    assert (alpaca["instruction"], alpaca["input"], alpaca["output"]) == ("Is it urgent?", "The valve leaks.", "yes")
    [said] = json.loads((tmp_path / "sharegpt" / "train.json").read_text())
    assert said["conversations"][0] == {"from": "human", "value": "What does it cost?"}


def test_the_hubs_library_opens_the_folder(tmp_path, monkeypatch):
    import datasets

    export_dataset(dataset(ROWS), tmp_path / "out", "huggingface")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {part: len(rows) for part, rows in loaded.items()} == {"train": 1, "validation": 1, "test": 1}
    assert loaded["test"][0]["evidence"] == ["2.1 Nm"]
    loaded.save_to_disk(str(tmp_path / "saved"))
    assert import_rows(tmp_path / "saved").parts == {"c": "train", "a": "validation", "b": "test"}


def test_rows_of_other_tools_are_read(tmp_path):
    (tmp_path / "alpaca.json").write_text(
        json.dumps([{"instruction": "Name it.", "input": "", "output": "A valve.", "system": "Be kind.", "score": 3}])
    )
    found = import_rows(tmp_path / "alpaca.json")
    assert (found.pairs[0].prompt, found.pairs[0].response, found.parts) == ("Name it.", "A valve.", {})
    assert found.dropped == {"score": 1, "system": 1}
    for name in ("train", "valid"):
        line = {
            "conversations": [{"from": "system", "value": "x"}, {"from": "human", "value": name}, {"from": "gpt", "value": "b"}]
        }
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "alpaca.json").unlink()
    assert sorted(import_rows(tmp_path).parts.values()) == ["train", "validation"]


def test_broken_rows_import_nothing_and_missing_responses_follow_their_rule(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"id": "a", "prompt": "Why?", "response": " "}, {"id": "b", "prompt": "How?", "response": "So."}, {"id": "c"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(RecordError, match=r"(?s)2 broken rows.*rows.jsonl, row 1: response: .*blanks.*row 3: prompt: "):
        import_rows(path)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:2]))
    assert [pair.id for pair in import_rows(path, missing_response="drop").pairs] == ["b"]
    refused = import_rows(path, missing_response="refuse")
    assert refused.pairs[0].response == REFUSAL
    assert refused.missing == [{"field": "response", "rows": 1, "rule": "refuse"}]
    with pytest.raises(InputError, match="no format 'xml'"):
        import_rows(path, "xml")
    with pytest.raises(InputError, match="does not exist"):
        import_rows(tmp_path / "gone")


def test_an_export_overwrites_nothing_but_an_export(tmp_path):
    export_dataset(dataset(ROWS), tmp_path / "out", "alpaca")
    export_dataset(dataset(ROWS), tmp_path / "out", "jsonl")
    assert not (tmp_path / "out" / "train.json").exists()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "file").write_text("mine")
    with pytest.raises(InputError, match="no earlier export"):
        export_dataset(dataset(ROWS), tmp_path / "own", "jsonl")


@pytest.mark.model
def test_an_imported_dataset_keeps_its_parts_and_is_checked(workspace, store, tmp_path):
    asked = [Pair(id=name, prompt=f"What is a {name}?", response=f"It holds the {name}s of a pump.") for name in
             ("flange", "gasket", "spindle", "bearing")]  # fmt: skip
    export_dataset(dataset(asked), tmp_path / "out", "sharegpt")
    made = Datasets(workspace, store).import_(tmp_path / "out", "copy")
    assert ([pair.id for pair in made.train], made.validation, made.test) == (["spindle", "bearing"], asked[:1], asked[1:2])
    assert made.manifest["origin"] == {"imported from": "out"}
    planted = [asked[0], asked[1].model_copy(update={"prompt": "what is a FLANGE"}), *asked[2:]]
    export_dataset(dataset(planted), tmp_path / "out", "jsonl")
    with pytest.raises(InputError, match=r"(?s)leaks \(1 normalised\).*Leave these rows out of the given parts"):
        Datasets(workspace, store).import_(tmp_path / "out", "copy")
