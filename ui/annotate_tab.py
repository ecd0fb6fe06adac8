"""The annotate tab: projects, tasks out and labels in, labelling, agreement, and what an expert decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from doyen.ui.annotation_tables import agreement_html, disputes_html, guideline_html, projects_table
from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.job_panel import OPTIONS, JobPanel, Work
from doyen.ui.labelling_screen import SCRIPT, Trail, act, open_screen
from doyen.ui.markup import banner
from doyen.ui.sign_in import Gateway

KINDS = ("create-project", "push", "pull", "adjudicate")
TYPES = ["classification", "sentiment", "prompt-response", "entities", "coreference", "pos"]
PROJECTS, LABEL, GUIDELINE, AGREEMENT, DISPUTES, NEW = "projects", "label", "guideline", "agreement", "disputes", "new"
SECTIONS = {
    "Projects": PROJECTS,
    "Label": LABEL,
    "Guideline": GUIDELINE,
    "Agreement": AGREEMENT,
    "Disputes": DISPUTES,
    "New project": NEW,
}
# A link to this tab may name what is open in it: #annotate/SECTION/PROJECT.
FROM_ADDRESS = "(_, ...rest) => [location.hash.split('/').slice(1).map(decodeURIComponent).join('/'), ...rest]"
TO_ADDRESS = """(project, section) => {
  if (location.hash.slice(1).split('/')[0] !== 'annotate') return;
  history.replaceState(null, '', `#annotate/${section}/${encodeURIComponent(project || '')}`);
}"""
FETCH_NAME = "() => localStorage.getItem('doyen-annotator') || ''"
KEEP_NAME = "(name) => { localStorage.setItem('doyen-annotator', name); }"


@dataclass(frozen=True)
class _Parts:
    """The components that the events read and write.

    Attributes:
        columns: one for each section, in the order of `SECTIONS`.
    """

    said: gr.HTML
    table: gr.HTML
    project: gr.Dropdown
    section: gr.Radio
    annotator: gr.Textbox
    period: gr.Radio
    screen: gr.HTML
    guideline: gr.HTML
    agreement: gr.HTML
    disputes: gr.HTML
    trail: gr.State
    columns: list[gr.Column]

    @property
    def chosen(self) -> list[Any]:
        """What says what is to be shown: the arguments of `open_section`."""
        return [self.project, self.section, self.annotator, self.period, self.trail]

    @property
    def opened(self) -> list[Any]:
        """The values of `open_section`."""
        return [self.screen, self.guideline, self.agreement, self.disputes, self.said, self.trail, *self.columns]

    @property
    def listed(self) -> list[Any]:
        """The values of `list_projects`."""
        return [self.table, self.project, self.section, self.said]


def build_annotate_tab(gateway: Gateway, tab: gr.Tab) -> None:
    """Lay out the tab inside the current Blocks context and connect its events."""
    with gr.Row(elem_classes="doyen-actions"):
        project = gr.Dropdown([], label="Project", elem_id="project", scale=4)
        refresh = gr.Button("Refresh", elem_id="refresh-projects")
    panel = JobPanel(gateway, "annotate", KINDS)
    section = gr.Radio(list(SECTIONS.items()), value=PROJECTS, show_label=False, label="Show", elem_id="annotate-section")
    said = gr.HTML(elem_id="annotate-said")
    with gr.Column() as projects_column:
        table = gr.HTML(elem_id="projects")
        with gr.Row(elem_classes="doyen-actions"):
            push = gr.Button("Push tasks of the project", elem_id="push")
            pull = gr.Button("Pull its labels", elem_id="pull")
    with gr.Column(visible=False) as label_column:
        annotator = gr.Textbox(label="Your name, which stands beside your labels", max_lines=1, elem_id="annotator")
        screen = gr.HTML(elem_id="labelling", js_on_load=SCRIPT)
    with gr.Column(visible=False) as guideline_column:
        guideline = gr.HTML(elem_id="guideline")
    with gr.Column(visible=False) as agreement_column:
        period = gr.Radio(["week", "month"], value="week", label="Over time, by", elem_id="period")
        agreement = gr.HTML(elem_id="agreement")
    with gr.Column(visible=False) as disputes_column:
        _lay_out_review(panel, project)
        disputes = gr.HTML(elem_id="disputes")
    with gr.Column(visible=False) as new_column:
        _lay_out_new_project(panel)
    columns = [projects_column, label_column, guideline_column, agreement_column, disputes_column, new_column]
    trail = gr.State(Trail())
    parts = _Parts(said, table, project, section, annotator, period, screen, guideline, agreement, disputes, trail, columns)
    panel.starts(push, lambda name: _on_project("push", name), [project])
    panel.starts(pull, lambda name: _on_project("pull", name), [project])
    panel.rejoins(tab)
    _connect_views(gateway, tab, refresh, panel, parts)
    _connect_labelling(gateway, tab, parts)


def _lay_out_review(panel: JobPanel, project: gr.Dropdown) -> None:
    with gr.Row(elem_classes="doyen-actions"):
        threshold = gr.Slider(0, 1, value=0.8, step=0.05, label="Disputed is what agrees less than", elem_id="threshold")
        expert = gr.Textbox(label="Expert whose answers decide (empty: anybody)", max_lines=1, elem_id="expert")
        consensus = gr.Checkbox(label="Decide the rest by consensus", elem_id="consensus")
        send = gr.Button("Send to review", variant="primary", elem_id="adjudicate")
    gr.HTML(
        "<p class='doyen-hint'>The expert decides in the project “… review”: open it under “Label”, or in Label Studio. "
        "The answers stand side by side there, too, without names.</p>"
    )

    def adjudicate(name: str | None, below: float, who: str, agreed: bool) -> Work:
        work = _on_project("adjudicate", name)
        more = {"threshold": below, "consensus": agreed, **({"expert": who.strip()} if who.strip() else {})}
        return work if isinstance(work, str) else {**work, **more}

    panel.starts(send, adjudicate, [project, threshold, expert, consensus])


def _lay_out_new_project(panel: JobPanel) -> None:
    with gr.Row():
        name = gr.Textbox(label="Name", max_lines=1, elem_id="new-name")
        kind = gr.Dropdown(TYPES, value=TYPES[0], label="Type", elem_id="new-type")
        texts = gr.Textbox(
            label="Texts: a .jsonl or .csv file in the workspace's folder (empty: passages of the documents)",
            max_lines=1,
            elem_id="new-texts",
        )
        limit = gr.Number(100, label="New tasks at most", precision=0, minimum=1, elem_id="new-limit")
    labels = gr.Textbox(
        label="Labels, one a line, with a meaning behind a colon (empty: those of the type)",
        placeholder="pump: the text is about a pump",
        lines=4,
        elem_id="new-labels",
    )
    guideline = gr.Textbox(label="Guideline (empty: that of the type)", lines=3, elem_id="new-guideline")
    with gr.Row(elem_classes="doyen-actions"):
        several = gr.Checkbox(label="A text may have several classes", elem_id="new-multiple")
        share = gr.Slider(0, 1, value=0.2, step=0.05, label="Share labelled by two people", elem_id="new-share")
        make = gr.Button("Make the project", variant="primary", elem_id="new-project")
    panel.starts(make, new_project, [name, kind, texts, limit, labels, guideline, several, share])


def _connect_views(gateway: Gateway, tab: gr.Tab, refresh: gr.Button, panel: JobPanel, parts: _Parts) -> None:
    by, address = gateway.with_client, gr.Textbox(visible="hidden")
    where = [address, parts.project, parts.section]
    listings = [
        tab.select(by(list_projects), where, parts.listed, js=FROM_ADDRESS, **OPTIONS),
        refresh.click(by(list_projects), where, parts.listed, **OPTIONS),
        panel.ended.change(by(list_after), [panel.ended, *where[1:]], parts.listed, **OPTIONS),
    ]
    for listing in listings:
        listing.then(by(open_section), parts.chosen, parts.opened, **OPTIONS)
    changes = [parts.project.input, parts.section.input, parts.period.input, parts.annotator.submit]
    gr.on(changes, by(open_section), parts.chosen, parts.opened, **OPTIONS)
    gr.on([parts.project.change, parts.section.change], None, [parts.project, parts.section], None, js=TO_ADDRESS, **OPTIONS)


def _connect_labelling(gateway: Gateway, tab: gr.Tab, parts: _Parts) -> None:
    def step(client: GatewayClient, annotator: str, trail: Trail, event: str) -> tuple[Any, ...]:
        shown = act(client, annotator, trail, event)
        return gr.skip() if shown.screen is None else shown.screen, shown.said, shown.trail

    def submitted(request: gr.Request, annotator: str, trail: Trail, event: gr.EventData) -> tuple[Any, ...]:
        return step(gateway.client(request), annotator, trail, str(event.said))

    def names(client: GatewayClient, kept: str) -> Any:
        """The key's name counts where there is one."""
        return gr.update(visible=False) if client.api_key else gr.update(value=kept)

    parts.screen.submit(
        submitted, [parts.annotator, parts.trail], [parts.screen, parts.said, parts.trail], trigger_mode="once", **OPTIONS
    )
    page = tab.parent.parent
    page.load(gateway.with_client(names), [parts.annotator], [parts.annotator], js=FETCH_NAME, **OPTIONS)
    parts.annotator.change(None, [parts.annotator], None, js=KEEP_NAME, **OPTIONS)


def list_projects(client: GatewayClient, address: str, project: str | None, section: str) -> tuple[Any, Any, Any, str]:
    """Return the table, the picker, the section and what went wrong; an address that names a project chooses it.

    Args:
        address: "SECTION/PROJECT", each of which may be missing.
    """
    try:
        found = client.annotation_projects()
    except GatewayError as error:
        return "", gr.skip(), gr.skip(), banner(str(error), "red")
    wanted, _, named = address.partition("/")
    names = [item["name"] for item in found]
    chosen = next((name for name in (named, project, *names) if name in names), None)
    shown = wanted if wanted in SECTIONS.values() else section if names else NEW
    return projects_table(found), gr.update(choices=names, value=chosen), shown, ""


def list_after(client: GatewayClient, job: dict[str, Any], project: str | None, section: str) -> tuple[Any, Any, Any, str]:
    """Return what `list_projects` does after a job; a project that it made is chosen."""
    made = job["arguments"]["project"] if job.get("kind") == "create-project" and job["state"] == "done" else ""
    return list_projects(client, f"/{made}", project, section)


def open_section(
    client: GatewayClient, project: str | None, section: str, annotator: str, period: str, trail: Trail
) -> tuple[Any, ...]:
    """Return what `_Parts.opened` names: the section's view, and what hides the others."""
    views: dict[str, Any] = {name: gr.skip() for name in (LABEL, GUIDELINE, AGREEMENT, DISPUTES)}
    said = ""
    try:
        if section == LABEL:
            shown = open_screen(client, project, annotator, trail)
            views[LABEL], said, trail = shown.screen, shown.said, shown.trail
        elif project is None:
            said = "" if section in {PROJECTS, NEW} else banner("Choose a project first.")
        elif section == GUIDELINE:
            views[GUIDELINE] = guideline_html(client.annotation_project(project))
        elif section == AGREEMENT:
            views[AGREEMENT] = agreement_html(client.agreement(project, period))
        elif section == DISPUTES:
            views[DISPUTES] = disputes_html(client.disputes(project))
    except GatewayError as error:
        said = banner(str(error), "red")
    columns = [gr.update(visible=section == name) for name in SECTIONS.values()]
    return *views.values(), said, trail, *columns


def new_project(
    name: str, kind: str, texts: str, limit: float | None, labels: str, guideline: str, several: bool, share: float
) -> Work:
    """Return the job that makes a project, or what is missing."""
    if not name.strip():
        return "Name the project first."
    described: dict[str, Any] = {"type": kind}
    lines = [line.partition(":") for line in labels.splitlines() if line.strip()]
    if lines:
        described["labels"] = [{"name": label.strip(), "meaning": meaning.strip()} for label, _, meaning in lines]
    if guideline.strip():
        described["guideline"] = guideline.strip()
    if several:
        described["multiple"] = True
    work: dict[str, Any] = {"kind": "create-project", "project": name.strip(), "type": kind, "share": share}
    if len(described) > 1:
        work["description"] = described
    if texts.strip():
        work["texts"] = texts.strip()
    return {**work, "limit": int(limit)} if limit else work


def _on_project(kind: str, project: str | None) -> Work:
    return {"kind": kind, "project": project} if project else "Choose a project first."
