"""A project that somebody made in Label Studio is adopted: its labels are pulled, and nothing of it is harmed."""

from __future__ import annotations

from typing import Any

import pytest

from doyen.annotation import create_project, project_status, pull, push
from doyen.annotation.adopt import adopt_project
from doyen.annotation.current_labels import labelled_texts
from doyen.annotation.labelstudio.foreign_screens import read_screen
from doyen.annotation.quality.gold import seed_gold
from doyen.annotation.types.typed_labels import Classes, Entities, LabelledText, PromptResponse, Region, Relation
from doyen.core.errors import InputError, NotFoundError, StateError
from doyen.core.store import Store
from doyen.core.workspace import Workspace

NAME = "theirs"
MARKS = '<Labels name="ner" toName="review"><Label value="PER" background="red"/><Label value="Place" alias="LOC"/></Labels>'
ENTITIES = f"""<View><Text name="review" value="$body"/>{MARKS}<Relations><Relation value="lives in"/></Relations>
<Choices name="mood" toName="review"><Choice value="good"/><Choice value="bad"/></Choices></View>"""
ANSWERS = '<View><Text name="q" value="$question"/><TextArea name="reply" toName="q"/></View>'
TEXTS = ("Bob lives in Rom 😀.", "Zoë left Oslo.")


def mark(identity: str, text: str, words: str, label: str) -> dict[str, Any]:
    start = text.index(words)
    value = {"start": start, "end": start + len(words), "text": words, "labels": [label]}
    return {"id": identity, "from_name": "ner", "to_name": "review", "type": "labels", "value": value}


def make(client: Any, config: str, *data: dict[str, Any]) -> tuple[int, list[int]]:
    project = client.projects.create(title="made elsewhere", description="Ask Ada.", label_config=config, maximum_annotations=3)
    done = client.projects.import_tasks(id=project.id, request=[{"data": d} for d in data], return_task_ids=True)
    return project.id, done.task_ids


@pytest.mark.label_studio
def test_labels_are_pulled_and_nothing_is_harmed(remote: Workspace, remote_store: Store, label_studio: Any) -> None:
    lead, ada = (label_studio.client(f"{who}@example.com") for who in ("lead", "ada"))
    project, tasks = make(lead, ENTITIES, *({"body": text, "uid": f"own {n}", "page": n} for n, text in enumerate(TEXTS)))
    people = [mark("a", TEXTS[0], "Bob", "PER"), mark("b", TEXTS[0], "Rom", "LOC")]
    link = {"from_id": "a", "to_id": "b", "type": "relation", "direction": "right", "labels": ["lives in"]}
    mood = {"id": "m", "from_name": "mood", "to_name": "review", "type": "choices", "value": {"choices": ["good"]}}
    ada.annotations.create(id=tasks[0], result=[*people, link, mood])
    before = lead.projects.get(id=project)
    report = adopt_project(remote, remote_store, NAME, project, "entities")
    assert (report.adopted, report.known, report.left_fields) == (2, 0, ("mood",))
    assert report.pulled is not None
    assert (report.pulled.added, report.pulled.problems, report.pulled.foreign_tasks) == (1, [], 0)
    [item] = labelled_texts(remote_store, NAME)
    regions = (Region("a", 0, 3, "PER"), Region("b", 13, 16, "LOC"))
    assert item.label == Entities(regions, (Relation("a", "b", "lives in"),))
    assert (item.text, item.annotator) == (TEXTS[0], "ada@example.com")

    after = lead.projects.get(id=project)
    kept = ("label_config", "title", "maximum_annotations", "sampling", "model_version", "total_annotations_number")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert after.description.startswith("Ask Ada.")
    there = list(lead.tasks.list(project=project, fields="all"))
    assert [(task.data["body"], task.data["uid"]) for task in there] == [(text, f"own {n}") for n, text in enumerate(TEXTS)]

    assert (again := adopt_project(remote, remote_store, NAME, project, "entities")).adopted == 0
    assert (again.known, again.pulled.added if again.pulled else None) == (2, 0)
    ada.annotations.create(id=tasks[1], result=[mark("c", TEXTS[1], "Oslo", "LOC")])
    lead.projects.import_tasks(id=project, request=[{"data": {"body": "Mia stays."}}])
    report = pull(remote, remote_store, NAME)
    assert (report.added, report.foreign_tasks) == (1, 1)
    assert adopt_project(remote, remote_store, NAME, project, "entities").adopted == 1
    assert project_status(remote_store, NAME).tasks == {"labelled": 2, "pushed": 1}

    seed_gold(remote_store, NAME, [LabelledText("g", "Ben is here.", Entities((Region("r", 0, 3, "PER"),)))])
    assert push(remote, remote_store, NAME).sent == 1
    assert {task.data["body"] for task in lead.tasks.list(project=project, fields="all")} == {
        *TEXTS,
        "Mia stays.",
        "Ben is here.",
    }
    assert lead.projects.get(id=project).maximum_annotations == 3
    with pytest.raises(InputError, match=f"adopt --project {NAME} --id {project} --type entities"):
        create_project(remote, remote_store, NAME)
    with pytest.raises(StateError, match="one of Doyen's already"):
        adopt_project(remote, remote_store, "another", project, "entities")
    with pytest.raises(InputError, match="choose another name"):
        adopt_project(remote, remote_store, NAME, project, "classification")
    with pytest.raises(NotFoundError, match="no project 99999"):
        adopt_project(remote, remote_store, "nothing there", 99999, "entities")


@pytest.mark.label_studio
def test_answers_and_classes_are_adopted_too(remote: Workspace, remote_store: Store, label_studio: Any) -> None:
    lead = label_studio.client("lead@example.com")
    project, [task] = make(lead, ANSWERS, {"question": "How often?"})
    reply = {"id": "r", "from_name": "reply", "to_name": "q", "type": "textarea", "value": {"text": ["Daily."]}}
    lead.annotations.create(id=task, result=[reply])
    assert adopt_project(remote, remote_store, "answers", project, "prompt-response").adopted == 1
    [item] = labelled_texts(remote_store, "answers")
    assert item.label == PromptResponse("How often?", "Daily.", answerable=True)
    project, [task] = make(lead, ENTITIES, {"body": TEXTS[0]})
    mood = {"id": "m", "from_name": "mood", "to_name": "review", "type": "choices", "value": {"choices": ["good"]}}
    lead.annotations.create(id=task, result=[mood])
    assert adopt_project(remote, remote_store, "moods", project, "classification").left_fields == ("ner",)
    assert [found.label for found in labelled_texts(remote_store, "moods")] == [Classes(("good",))]


@pytest.mark.parametrize(
    ("kind", "config", "reason"),
    [
        ("classification", f'<View><Text name="review" value="$body"/>{MARKS}</View>', "exactly one <Choices> .* has none"),
        ("entities", f'<View><Text name="review" value="$body"/>{MARKS}{MARKS.replace("ner", "two")}</View>', "'ner', 'two'"),
        ("entities", f'<View><Image name="review" value="$body"/>{MARKS}</View>', "exactly one <Labels>"),
        ("entities", f'<View><Text name="review" value="$body" valueType="url"/>{MARKS}</View>', "does not stand in the tasks"),
        ("prompt-response", ENTITIES, "one <TextArea>"),
        ("sentiment", ENTITIES.replace('name="mood"', 'name="mood" choice="multiple"'), "adopt it as classification"),
        ("entities", "<View", "no valid XML"),
    ],
)
def test_a_screen_that_does_not_fit_is_refused_with_the_reason(kind: str, config: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_screen(kind, config)


def test_a_screen_becomes_a_description() -> None:
    screen, description = read_screen("entities", ENTITIES)
    assert (screen.text_key, screen.fields, screen.others) == ("body", {"ner": "label"}, ("mood",))
    assert (description.label_names, description.relations) == (("PER", "LOC"), ("lives in",))
    several = ENTITIES.replace('name="mood"', 'name="mood" choice="multiple"')
    assert read_screen("classification", several)[1].multiple


def test_without_a_server_there_is_nothing_to_adopt(workspace: Workspace, store: Store) -> None:
    with pytest.raises(InputError, match="label_studio_url"):
        adopt_project(workspace, store, NAME, 1, "entities")
