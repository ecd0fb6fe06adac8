"""Pulling from a Doccano server: the stand-in always, a real one where DOYEN_DOCCANO_URL names it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support.doccano import PASSWORD, USER, Annotators, stand_in
from support.serving import served

from doyen.annotation import create_project, get_project, project_status
from doyen.annotation.current_labels import labelled_texts
from doyen.annotation.exchange.doccano_pull import pull_doccano
from doyen.annotation.exchange.doccano_server import DoccanoServer
from doyen.annotation.types.typed_labels import Classes, Entities, PromptResponse
from doyen.core.errors import InputError, NotFoundError, ServiceError, Unauthorized
from doyen.core.store import Store
from doyen.core.workspace import Workspace

TEXT = "Zoë 😀 met Bob\r\nin Cafe\u0301 Ost."


@pytest.fixture(params=["stand-in", "real"])
def people(request: pytest.FixtureRequest) -> Iterator[Annotators]:
    """Annotators on a server."""
    if request.param == "real":
        url = os.environ.get("DOYEN_DOCCANO_URL")
        if not url:
            pytest.skip("no Doccano server: set DOYEN_DOCCANO_URL, DOYEN_DOCCANO_USER and DOYEN_DOCCANO_PASSWORD")
        yield Annotators(url, os.environ["DOYEN_DOCCANO_USER"], os.environ["DOYEN_DOCCANO_PASSWORD"])
    else:
        with served(stand_in()) as url:
            yield Annotators(url)


def connect(people: Annotators) -> DoccanoServer:
    return DoccanoServer(people.url, username=people.user, password=people.password)


def visits(people: Annotators) -> tuple[str, dict[str, int]]:
    """A project for entities with their relations; return its path and the ids of the labels."""
    project = people.project("SequenceLabeling", "SequenceLabelingProject", use_relation=True, allow_overlapping=True)
    names = {"PER": "span-types", "PLACE": "span-types", "meets": "relation-types"}
    return project, {name: people.post(f"{project}/{kind}", text=name)["id"] for name, kind in names.items()}


def test_entities_with_relations_arrive_and_every_version_is_kept(
    people: Annotators, workspace: Workspace, store: Store
) -> None:
    project, label = visits(people)
    example = people.example(project, TEXT, page=3)
    zoe = people.post(f"{example}/spans", label=label["PER"], start_offset=0, end_offset=3, prob=0)["id"]
    bob = people.post(f"{example}/spans", label=label["PER"], start_offset=10, end_offset=13, prob=0)["id"]
    people.post(f"{example}/relations", type=label["meets"], from_id=zoe, to_id=bob, prob=0)
    people.post(f"{example}/states")
    people.example(project, "Nobody has looked here.")
    remote = int(project.split("/")[-1])
    server = connect(people)
    first = pull_doccano(workspace, store, "visits", server, remote)
    assert (first.examples, first.confirmed, first.asked, first.added, first.complete) == (2, 1, 1, 1, True)
    assert [entry["name"] for entry in get_project(store, "visits").description["labels"]] == ["PER", "PLACE"]
    [item] = labelled_texts(store, "visits")
    assert isinstance(item.label, Entities)
    assert [(item.text[r.start : r.end], r.label) for r in item.label.regions] == [("Zoë", "PER"), ("Bob", "PER")]
    assert [(link.head, link.tail, link.label) for link in item.label.relations] == [(str(zoe), str(bob), "meets")]
    assert (item.annotator, item.meta["imported"]["meta"]) == (people.user, {"page": 3})

    again = pull_doccano(workspace, store, "visits", server, remote)
    assert (again.added, again.updated, again.unchanged, again.removed) == (0, 0, 1, 0)
    people.delete(f"{example}/spans/{bob}")
    changed = pull_doccano(workspace, store, "visits", server, remote)
    assert (changed.updated, project_status(store, "visits").versions) == (1, 2)
    [item] = labelled_texts(store, "visits")
    assert [r.label for r in item.label.regions] == ["PER"]


def test_what_is_deleted_or_no_longer_confirmed_is_withdrawn(people: Annotators, workspace: Workspace, store: Store) -> None:
    project, label = visits(people)
    examples = [people.example(project, f"Bob number {n}") for n in range(7)]
    for example in examples:
        people.post(f"{example}/spans", label=label["PER"], start_offset=0, end_offset=3, prob=0)
        people.post(f"{example}/states")
    remote, server = int(project.split("/")[-1]), connect(people)
    assert pull_doccano(workspace, store, "visits", server, remote).added == 7
    people.delete(examples[0])
    people.post(f"{examples[1]}/states")
    report = pull_doccano(workspace, store, "visits", server, remote)
    assert (report.examples, report.confirmed, report.removed, report.unchanged) == (6, 5, 2, 5)
    people.post(f"{examples[1]}/states")
    assert pull_doccano(workspace, store, "visits", server, remote).updated == 1
    assert project_status(store, "visits").annotators == {people.user: 6}


def test_only_new_examples_are_asked_for_after_a_complete_pull(people: Annotators, workspace: Workspace, store: Store) -> None:
    project, label = visits(people)
    remote, server = int(project.split("/")[-1]), connect(people)

    def labelled() -> str:
        example = people.example(project, "Bob was here.")
        people.post(f"{example}/spans", label=label["PER"], start_offset=0, end_offset=3, prob=0)
        people.post(f"{example}/states")
        return example

    first = labelled()
    assert pull_doccano(workspace, store, "visits", server, remote, only_new=True).asked == 1
    labelled()
    report = pull_doccano(workspace, store, "visits", server, remote, only_new=True)
    assert (report.asked, report.added, report.removed) == (1, 1, 0)
    people.delete(first)
    assert pull_doccano(workspace, store, "visits", server, remote, only_new=True).removed == 1


def test_classes_and_answers(people: Annotators, workspace: Workspace, store: Store) -> None:
    tones = people.project("DocumentClassification", "TextClassificationProject", single_class_classification=True)
    label = people.post(f"{tones}/category-types", text="gut")["id"]
    example = people.example(tones, "Schön hier.")
    people.post(f"{example}/categories", label=label, prob=0)
    people.post(f"{example}/states")
    server = connect(people)
    pull_doccano(workspace, store, "tones", server, int(tones.split("/")[-1]), kind="sentiment")
    assert [item.label for item in labelled_texts(store, "tones")] == [Classes(("gut",))]

    questions = people.project("Seq2seq", "Seq2seqProject")
    example = people.example(questions, "Wo ist Bob?")
    for answer in ("In Ost.", "Zu Hause."):
        people.post(f"{example}/texts", text=answer, prob=0)
    people.post(f"{example}/states")
    pull_doccano(workspace, store, "questions", server, int(questions.split("/")[-1]))
    found = {item.label for item in labelled_texts(store, "questions")}
    assert found == {PromptResponse("Wo ist Bob?", answer, answerable=True) for answer in ("In Ost.", "Zu Hause.")}
    create_project(workspace, store, "other", "sentiment")
    with pytest.raises(InputError, match="of type Seq2seq holds no labels of type sentiment: it holds prompt-response"):
        pull_doccano(workspace, store, "other", server, int(questions.split("/")[-1]))


def test_wrong_password_and_unknown_projects_are_named(people: Annotators) -> None:
    with pytest.raises(Unauthorized, match="refused user 'nobody'"):
        DoccanoServer(people.url, username="nobody", password="wrong")
    with pytest.raises(NotFoundError, match=r"has no project 987654 that this account may see"):
        connect(people).project(987654)
    with pytest.raises(ServiceError, match="cannot be reached"):
        DoccanoServer("http://127.0.0.1:9", username="a", password="b")


def test_failures_in_between_change_nothing(workspace: Workspace, store: Store) -> None:
    app = stand_in()
    with served(app) as url:
        people = Annotators(url)
        project, label = visits(people)
        for number in range(3):
            example = people.example(project, f"Bob number {number}")
            people.post(f"{example}/spans", label=label["PER"], start_offset=0, end_offset=3, prob=0)
            people.post(f"{example}/states")
        remote, server = int(project.split("/")[-1]), DoccanoServer(url, username=USER, password=PASSWORD)
        app.state.failures = 2
        assert pull_doccano(workspace, store, "visits", server, remote).added == 3
        app.state.token = "another"
        assert pull_doccano(workspace, store, "visits", server, remote).unchanged == 3
        app.state.failures = 10**6
        with pytest.raises(ServiceError, match="failed with 500"):
            pull_doccano(workspace, store, "visits", server, remote)
        assert project_status(store, "visits").annotators == {USER: 3}


def test_an_example_that_slips_through_the_pages_keeps_its_label(
    workspace: Workspace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doyen.annotation.exchange.doccano_server.PAGE", 2)
    app = stand_in()
    with served(app) as url:
        people = Annotators(url)
        project, label = visits(people)
        examples = [people.example(project, f"Bob number {number}") for number in range(5)]
        for example in examples:
            people.post(f"{example}/spans", label=label["PER"], start_offset=0, end_offset=3, prob=0)
            people.post(f"{example}/states")
        remote, server = int(project.split("/")[-1]), DoccanoServer(url, username=USER, password=PASSWORD)
        assert pull_doccano(workspace, store, "visits", server, remote).complete
        app.state.meanwhile = [int(examples[0].split("/")[-1])]
        report = pull_doccano(workspace, store, "visits", server, remote)
        assert (report.examples, report.removed, report.complete) == (4, 0, False)
        report = pull_doccano(workspace, store, "visits", server, remote)
        assert (report.examples, report.removed, report.complete) == (4, 1, True)
        assert project_status(store, "visits").annotators == {USER: 4}
