"""The annotate tab in a real browser before the real gateway: labelling by keyboard, jobs, agreement, disputes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from doyen.annotation import create_project, labelled_texts
from doyen.annotation.exchange.label_import import store_labels
from doyen.annotation.tasks import text_tasks
from doyen.annotation.texts import PlainText
from doyen.annotation.types.descriptions import parse_description
from doyen.annotation.types.typed_labels import Classes, LabelledText
from doyen.core.store.schema import AnnotationTaskRow, DecisionRow

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)> \u202egnol " + "W" * 400
TEXT = "The pump 😀 PN 410-778 is driven by motor M3. It runs."
LABELS = [{"name": "PART"}, {"name": "<b>VALUE</b>"}]


def make(site: Any, name: str, raw: dict[str, Any], texts: list[str], share: float = 0.0) -> None:
    create_project(site.workspace, site.store, name, description=parse_description(raw, name), share=share)
    text_tasks(site.store, name, [PlainText(text, text, "t") for text in texts])
    create_project(site.workspace, site.store, name)


def opened(visit: Callable[..., Any], section: str, project: str, width: int = 1360) -> Any:
    """Return a visit at a section of the tab, by a link; the labeller is Ann."""
    seen = visit(f"#annotate/{section}/{project}", width=width)
    seen.page.wait_for_function("name => document.querySelector('#project input')?.value === name", arg=project)
    return seen


def screen(page: Any, text: str) -> None:
    """Wait for the task with a text."""
    page.wait_for_function("text => document.querySelector('.doyen-passage')?.innerText.includes(text)", arg=text)


def saved(site: Any, project: str) -> list[LabelledText]:
    return list(labelled_texts(site.store, project, decided=False))


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_classes_are_chosen_by_keyboard_and_hostile_text_is_text(visit: Callable[..., Any], site: Any) -> None:
    raw = {
        "type": "classification",
        "title": "<i>Topics</i>",
        "labels": [{"name": "pump", "hotkey": "p"}, {"name": "<b>line</b>"}],
    }
    make(site, "topics", raw, [HOSTILE, "Second text"])
    seen = opened(visit, "label", "topics", width=390)
    page = seen.page
    page.fill("#annotator input, #annotator textarea", "Ann")
    page.keyboard.press("Enter")
    screen(page, "onerror=alert(1)>")
    assert page.inner_text(".doyen-work-head h3") == "<i>Topics</i>"
    assert page.query_selector("#labelling img, #labelling i, #labelling .doyen-label b") is None
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.focus(".doyen-passage")
    press(page, ".")
    screen(page, "Second text")
    press(page, "1", "Enter")
    screen(page, "onerror=alert(1)>")
    press(page, "p")
    page.click("text=Save and go on")
    page.wait_for_selector("#labelling .doyen-green")
    found = {label.text: (label.annotator, label.label) for label in saved(site, "topics")}
    assert found == {"Second text": ("Ann", Classes(("<b>line</b>",))), HOSTILE: ("Ann", Classes(("pump",)))}
    assert seen.errors == []


def test_marks_are_made_by_keyboard_and_mouse_with_offsets_in_code_points(visit: Callable[..., Any], site: Any) -> None:
    make(site, "parts", {"type": "entities", "labels": LABELS, "relations": ["part of"]}, [TEXT])
    page = opened(visit, "label", "parts").page
    screen(page, "PN 410-778")
    page.focus(".doyen-passage")
    # The caret goes over: The, pump, the emoji, PN, 410-778.
    press(page, *["ArrowRight"] * 4, "Shift+ArrowRight", "1")
    page.get_by_text("M3", exact=True).dblclick()
    press(page, "2")
    assert page.locator(".doyen-mark").count() == 2
    page.select_option("select[aria-label=To]", index=0)
    page.select_option("select[aria-label=From]", index=1)
    page.click("text=Add relation")
    page.click("text=Save and go on")
    page.wait_for_selector("#labelling .doyen-green")
    (label,) = saved(site, "parts")
    assert label.label.describe(TEXT) == "PN 410-778 [PART]; M3 [<b>VALUE</b>]; M3 [<b>VALUE</b>] → part of → PN 410-778 [PART]"
    assert label.annotator == "owner"


def test_answers_mentions_and_tags_are_labelled(visit: Callable[..., Any], site: Any) -> None:
    for name in ("prompt-response", "coreference", "pos"):
        make(site, name, {"type": name}, [TEXT])
    page = opened(visit, "label", "prompt-response").page
    screen(page, "PN 410-778")
    page.fill("[data-field=prompt]", "What drives the pump?")
    page.fill("[data-field=response]", "Motor M3.")
    while page.locator(".doyen-mark").count():
        page.click(".doyen-mark button:last-child")
    page.get_by_text("M3", exact=True).click()
    press(page, "1")
    page.focus("[data-field=response]")
    press(page, "Control+Enter")
    page.wait_for_selector("#labelling .doyen-green")
    (answer,) = saved(site, "prompt-response")
    assert (answer.label.response, [span.text for span in answer.label.evidence]) == ("Motor M3.", ["M3"])

    page = opened(visit, "label", "coreference").page
    screen(page, "PN 410-778")
    while page.locator(".doyen-mark").count():
        page.click(".doyen-mark button:last-child")
    page.focus(".doyen-passage")
    press(page, "ArrowRight", "ArrowRight", "m")
    page.get_by_text("It", exact=True).click()
    press(page, "=", "Enter")
    page.wait_for_selector("#labelling .doyen-green")
    assert [label.label.describe(TEXT) for label in saved(site, "coreference")] == ["pump = It"]

    page = opened(visit, "label", "pos").page
    screen(page, "PN 410-778")
    page.focus(".doyen-passage")
    press(page, "x", "v", "Enter")
    page.wait_for_selector("#labelling .doyen-green")
    assert saved(site, "pos")[0].label.describe(TEXT).startswith("The/AUX pump/VERB 😀/SYM PN/PROPN")


def test_a_project_is_made_pushed_and_pulled_with_a_report_of_what_changed(visit: Callable[..., Any], site: Any) -> None:
    (site.workspace.root / "texts.csv").write_text("text\nOne text\nAnother text\n", encoding="utf-8")
    page = opened(visit, "new", "").page
    page.fill("#new-name input, #new-name textarea", "made here")
    page.fill("#new-texts input, #new-texts textarea", "texts.csv")
    page.fill("#new-labels textarea", "good: it is <b>good</b>\nbad")
    page.click("#new-project")
    page.wait_for_selector("text=2 new tasks; made here has 2 now")
    page.get_by_label("Projects", exact=True).check()
    page.click("#push")
    page.wait_for_selector("text=2 tasks sent to files")
    folder = site.workspace.annotation_folder / "made here"
    lines = [json.loads(line) for line in (folder / "tasks.jsonl").read_text(encoding="utf-8").splitlines()]
    result = [{"from_name": "class", "to_name": "text", "type": "choices", "value": {"choices": ["bad"]}}]
    lines[0]["annotations"] = [{"id": 1, "completed_by": {"id": 7, "email": "ben@example.com"}, "result": result}]
    (folder / "labels.jsonl").write_text(json.dumps(lines[0]) + "\n", encoding="utf-8")
    page.click("#pull")
    page.wait_for_selector(".doyen-report >> text=1 new label")
    page.wait_for_selector("#projects >> text=ben@example.com 1")
    page.get_by_label("Guideline", exact=True).check()
    page.wait_for_selector("#guideline >> text=it is <b>good</b>")


def test_disputed_tasks_stand_side_by_side_and_are_decided(visit: Callable[..., Any], site: Any) -> None:
    make(site, "disputed", {"type": "classification", "labels": LABELS}, ["First text", "Other text"], share=1.0)
    with site.store.session() as session:
        tasks = list(session.scalars(select(AnnotationTaskRow).where(AnnotationTaskRow.project == "disputed")))
    for name, classes in (("ada", ("PART", "PART")), ("ben", ("PART", "<b>VALUE</b>"))):
        labels = [
            LabelledText(task.uid, task.data["text"], Classes((given,)), name)
            for task, given in zip(tasks, classes, strict=True)
        ]
        store_labels(site.workspace, site.store, "disputed", labels)
    page = opened(visit, "agreement", "disputed").page
    page.wait_for_selector("#agreement >> text=ada and ben")
    page.get_by_label("Disputes", exact=True).check()
    page.wait_for_selector("#disputes .doyen-answer >> text=<b>VALUE</b>")
    assert "ben" not in page.inner_text("#disputes")
    page.click("#adjudicate")
    page.wait_for_selector("text=1 task sent to disputed review")
    page = opened(visit, "label", "disputed review").page
    page.wait_for_selector(".doyen-answers")
    page.click("text=Take this answer >> nth=1")
    page.click("text=Save and go on")
    page.wait_for_selector("#annotate-said >> text=gives no reason")
    page.fill(".doyen-reason", "The guideline says so.")
    press(page, "Control+Enter")
    page.wait_for_selector("#labelling .doyen-green")
    with site.store.session() as session:
        (decision,) = session.scalars(select(DecisionRow))
    assert (decision.typed["label"], decision.reason) == ({"labels": ["<b>VALUE</b>"]}, "The guideline says so.")
