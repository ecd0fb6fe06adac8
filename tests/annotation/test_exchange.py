"""Files of other tools into projects and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from support.format_labels import labelled_texts as random_labels

from doyen.annotation import create_project, get_project, project_status
from doyen.annotation.current_labels import labelled_texts
from doyen.annotation.exchange.formats import FORMATS, Losses, read_labels
from doyen.annotation.exchange.label_import import store_labels
from doyen.annotation.exchange.transfer import export_labels, import_labels
from doyen.annotation.types.typed_labels import Classes, Entities, LabelledText, Region, Relation
from doyen.core.errors import InputError, RecordError
from doyen.core.store import Store
from doyen.core.workspace import Workspace

TEXT = "Zoë 😀 met Bob\r\nin Cafe\u0301 Ost."
MARKED = (Region("a", 0, 3, "PER"), Region("b", 10, 13, "PER"), Region("c", 18, 27, "PLACE"))
ENTITIES = [
    LabelledText("one", TEXT, Entities(MARKED, (Relation("a", "b", "meets"),)), "ann@example.com", "2026-01-02", {"page": 3}),
    LabelledText("one", TEXT, Entities(MARKED[:1]), "bob@example.com", "2026-01-03", {"page": 3}),
    LabelledText("two", "Nobody here.", Entities(), "ann@example.com", "", {}),
]


def written(folder: Path, name: str, labels: list[LabelledText]) -> Path:
    FORMATS[name].write(labels, folder / f"labels.{name}", Losses())
    return folder / f"labels.{name}"


def said(labels: list[LabelledText]) -> list[tuple[object, ...]]:
    """What labels say, apart from the ids of their regions."""
    found = []
    for item in labels:
        regions = {r.id: (r.start, r.end, r.label) for r in getattr(item.label, "regions", ())}
        links = sorted((regions[x.head], regions[x.tail], x.label) for x in getattr(item.label, "relations", ()))
        content = (sorted(regions.values()), links) if isinstance(item.label, Entities) else item.label
        found.append((item.item_id, item.text, content, item.annotator, item.created_at, dict(item.meta)))
    return sorted(found, key=repr)


@pytest.mark.parametrize("name", ["doccano", "labelbox", "spacy", "huggingface"])
def test_a_project_is_made_for_the_file_and_gives_the_file_back(
    workspace: Workspace, store: Store, tmp_path: Path, name: str
) -> None:
    path = written(tmp_path, name, ENTITIES)
    done = import_labels(workspace, store, "people", path, name, kind="entities")
    assert (done.created, done.report.added, done.losses.sentences()) == (True, 3, [])
    assert [label["name"] for label in get_project(store, "people").description["labels"]] == ["PER", "PLACE"]
    assert project_status(store, "people").tasks == {"labelled": 2}
    again = import_labels(workspace, store, "people", path, name)
    assert (again.created, again.report.added, again.report.updated, again.report.unchanged) == (False, 0, 0, 3)
    exported = export_labels(store, "people", tmp_path / "out", name)
    assert (exported.labels, exported.losses.sentences()) == (3, [])
    assert said(list(read_labels(tmp_path / "out", name, "entities", Losses()))) == said(ENTITIES)


def test_a_changed_label_is_a_new_version_and_the_old_one_stays(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    import_labels(workspace, store, "people", written(tmp_path, "doccano", ENTITIES), "doccano", kind="entities")
    changed = [LabelledText("one", TEXT, Entities(MARKED[1:]), "ann@example.com"), *ENTITIES[1:]]
    report = import_labels(workspace, store, "people", written(tmp_path, "doccano", changed), "doccano").report
    assert (report.added, report.updated, report.unchanged) == (0, 1, 2)
    status = project_status(store, "people")
    assert (sum(status.annotators.values()), status.versions) == (3, 4)
    back = import_labels(workspace, store, "people", written(tmp_path, "doccano", ENTITIES), "doccano").report
    assert (back.updated, project_status(store, "people").versions) == (1, 4)


def test_an_export_that_comes_back_into_its_project_changes_nothing(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    import_labels(workspace, store, "people", written(tmp_path, "doccano", ENTITIES), "doccano", kind="entities")
    uids = {item.item_id for item in labelled_texts(store, "people")}
    mine = list(labelled_texts(store, "people"))
    report = store_labels(workspace, store, "people", mine)
    assert {item.item_id for item in labelled_texts(store, "people")} == uids
    assert (report.added, report.updated, report.unchanged) == (0, 0, 3)


@pytest.mark.parametrize("annotator", ["", "shop"])
def test_several_labels_of_one_text_all_stay(workspace: Workspace, store: Store, tmp_path: Path, annotator: str) -> None:
    (tmp_path / "tones.csv").write_text("text,label\ngood,positive\ngood,neutral\ngood,positive\n")
    for expected in (3, 0):
        done = import_labels(workspace, store, "tones", tmp_path / "tones.csv", "csv", kind="sentiment", annotator=annotator)
        assert done.report.added == expected
    assert [item.label for item in labelled_texts(store, "tones")].count(Classes(("positive",))) == 2
    assert project_status(store, "tones").annotators == {annotator or "unknown": 3}


def test_labels_that_the_project_does_not_know_are_refused_whole(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    create_project(workspace, store, "tones", "sentiment")
    (tmp_path / "tones.csv").write_text("text,label\ngood,positive\nbad,awful\n")
    with pytest.raises(RecordError, match=r"1 label.s. do not fit the project, nothing was imported:\n  - item .*awful"):
        import_labels(workspace, store, "tones", tmp_path / "tones.csv", "csv")
    assert project_status(store, "tones").tasks == {}
    with pytest.raises(InputError, match="project 'tones' has task type sentiment, not classification"):
        import_labels(workspace, store, "tones", tmp_path / "tones.csv", "csv", kind="classification")
    with pytest.raises(InputError, match="project 'tones' has no labels yet"):
        export_labels(store, "tones", tmp_path / "out.csv", "csv")


def test_a_broken_file_makes_no_project(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"text": "a", "label": [[0, 5, "X"]]}) + "\n")
    with pytest.raises(RecordError, match=r"x.jsonl, line 1"):
        import_labels(workspace, store, "people", tmp_path / "x.jsonl", "doccano", kind="entities")
    with pytest.raises(Exception, match="there is no annotation project"):
        get_project(store, "people")


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(labels=random_labels("prompt-response"))
def test_prompts_come_back_from_the_store(workspace: Workspace, store: Store, labels: list[LabelledText]) -> None:
    name = f"pairs {abs(hash(repr(labels))) % 10**9}"
    create_project(workspace, store, name)
    report = store_labels(workspace, store, name, labels)
    assert report.added == len(labels)
    before = sorted((item.annotator, item.text, repr(item.label)) for item in labels)
    assert sorted((item.annotator, item.text, repr(item.label)) for item in labelled_texts(store, name)) == before


def test_the_commands_take_a_format(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from doyen.platform.cli.main import app

    path, place = written(tmp_path, "doccano", ENTITIES), ["--project", "people", "--workspace", str(workspace.root), "--json"]
    command = ["annotate", "import", str(path), "--format", "doccano", "--type", "entities", *place]
    taken = CliRunner().invoke(app, command, catch_exceptions=False)
    assert (json.loads(taken.stdout)["added"], json.loads(taken.stdout)["created"]) == (3, True)
    out = CliRunner().invoke(
        app, ["annotate", "export", str(tmp_path / "x"), "--format", "conll", *place], catch_exceptions=False
    )
    assert json.loads(out.stdout)["losses"]["fields"]["relation"] == 1
    assert "Bob B-PER" in (tmp_path / "x").read_text()
