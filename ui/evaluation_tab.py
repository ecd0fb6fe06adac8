"""The evaluation tab: question sets, runs, reports, two runs side by side, and what became of a figure over the runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from doyen.ui.evaluation_tables import changes_table, history_chart, questions_table
from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.job_panel import OPTIONS, JobPanel, Work
from doyen.ui.markup import MODE_LABELS, banner
from doyen.ui.report_tables import HEADLINE, comparison_table, report_frame
from doyen.ui.sign_in import Gateway

KINDS = ("evaluate", "estimate-evaluation")
REPORT, COMPARE, HISTORY, RUN = "report", "compare", "history", "run"
SECTIONS = {"Report": REPORT, "Compare two runs": COMPARE, "History": HISTORY, "Questions and runs": RUN}
# A link to this tab may name what is open in it: #evaluation/SECTION/REPORT.
FROM_ADDRESS = "(_, ...rest) => [location.hash.split('/').slice(1).map(decodeURIComponent).join('/'), ...rest]"
TO_ADDRESS = """(report, section) => {
  if (location.hash.slice(1).split('/')[0] !== 'evaluation') return;
  history.replaceState(null, '', `#evaluation/${section}/${encodeURIComponent(report || '')}`);
}"""


@dataclass(frozen=True)
class _Parts:
    """The components that the events read and write.

    Attributes:
        columns: one for each section, in the order of `SECTIONS`.
    """

    report: gr.Dropdown
    section: gr.Radio
    said: gr.HTML
    comparison: gr.HTML
    against: gr.Dropdown
    changes: gr.HTML
    metric: gr.Dropdown
    history: gr.HTML
    sets: gr.HTML
    questions: gr.Dropdown
    columns: list[gr.Column]

    @property
    def chosen(self) -> list[Any]:
        """The arguments of `open_section`."""
        return [self.report, self.section, self.against, self.metric]

    @property
    def listed(self) -> list[Any]:
        """The values of `list_reports`."""
        return [self.report, self.against, self.metric, self.section, self.said]

    @property
    def opened(self) -> list[Any]:
        """The values of `open_section`."""
        return [self.comparison, self.changes, self.history, self.sets, self.questions, *self.columns]


def build_evaluation_tab(gateway: Gateway, tab: gr.Tab) -> None:
    """Lay out the tab inside the current Blocks context and connect its events."""
    with gr.Row(elem_classes="doyen-actions"):
        report = gr.Dropdown([], label="Report", elem_id="report", scale=5)
        refresh = gr.Button("Refresh", elem_id="refresh-reports", scale=1)
    panel = JobPanel(gateway, "evaluation", KINDS)
    section = gr.Radio(list(SECTIONS.items()), value=REPORT, label="Show", show_label=False, elem_id="evaluation-section")
    said = gr.HTML(elem_id="evaluation-said", elem_classes="doyen-said")
    with gr.Column() as report_column:
        comparison = gr.HTML(elem_id="comparison")
        with gr.Accordion("Full report", open=False, elem_id="full-report") as full:
            frame = gr.HTML(elem_id="report-frame")
    with gr.Column(visible=False) as compare_column:
        against = gr.Dropdown([], label="Against the earlier run", elem_id="against")
        changes = gr.HTML(elem_id="changes")
    with gr.Column(visible=False) as history_column:
        metric = gr.Dropdown([], label="Figure", elem_id="history-metric")
        history = gr.HTML(elem_id="history")
    with gr.Column(visible=False) as run_column:
        sets = gr.HTML(elem_id="question-sets")
        questions = _lay_out_runs(gateway, panel, sets)
    columns = [report_column, compare_column, history_column, run_column]
    parts = _Parts(report, section, said, comparison, against, changes, metric, history, sets, questions, columns)
    panel.rejoins(tab)
    _connect_views(gateway, tab, refresh, panel, parts)
    by = gateway.with_client
    gr.on([full.expand, report.change], by(page), [report], [frame], **OPTIONS)


def _lay_out_runs(gateway: Gateway, panel: JobPanel, sets: gr.HTML) -> gr.Dropdown:
    with gr.Row(elem_classes="doyen-actions"):
        questions = gr.Dropdown(
            [], label="Questions: a registered set, or a file in the workspace's folder", allow_custom_value=True,
            elem_id="run-questions", scale=3,
        )  # fmt: skip
        name = gr.Textbox(label="Name of the report", max_lines=1, elem_id="run-name", scale=2)
        modes = gr.Dropdown(
            [(label, mode) for mode, label in MODE_LABELS.items() if mode != "best"],
            value=[], multiselect=True, label="Modes (none: all that can answer)", elem_id="run-modes", scale=3,
        )  # fmt: skip
        sample = gr.Number(0, label="Questions at most (0: all)", precision=0, minimum=0, elem_id="run-sample")
    with gr.Row(elem_classes="doyen-actions"):
        estimate = gr.Button("Estimate", elem_id="estimate-evaluation")
        run = gr.Button("Run", variant="primary", elem_id="run-evaluation")
    with gr.Row(elem_classes="doyen-actions"):
        set_name = gr.Textbox(label="Register a set: its name", max_lines=1, elem_id="set-name", scale=2)
        file = gr.Textbox(label="Its file in the workspace's folder", max_lines=1, elem_id="set-file", scale=2)
        register = gr.Button("Register", elem_id="register-questions")
    noted = gr.HTML(elem_id="set-said", elem_classes="doyen-said")
    inputs = [questions, name, modes, sample]
    panel.starts(estimate, lambda *values: run_work("estimate-evaluation", *values), inputs)
    panel.starts(run, lambda *values: run_work("evaluate", *values), inputs)
    register.click(gateway.with_client(register_set), [set_name, file], [noted, sets, questions], **OPTIONS)
    return questions


def _connect_views(gateway: Gateway, tab: gr.Tab, refresh: gr.Button, panel: JobPanel, parts: _Parts) -> None:
    by, address = gateway.with_client, gr.Textbox(visible="hidden")
    where = [address, parts.report, parts.section, parts.against, parts.metric]
    listings = [
        tab.select(by(list_reports), where, parts.listed, js=FROM_ADDRESS, **OPTIONS),
        refresh.click(by(list_reports), where, parts.listed, **OPTIONS),
        panel.ended.change(by(list_after), [panel.ended, *where[1:]], parts.listed, **OPTIONS),
    ]
    for listing in listings:
        listing.then(by(open_section), parts.chosen, parts.opened, **OPTIONS)
    gr.on([part.input for part in parts.chosen], by(open_section), parts.chosen, parts.opened, **OPTIONS)
    gr.on([parts.report.change, parts.section.change], None, [parts.report, parts.section], None, js=TO_ADDRESS, **OPTIONS)


def list_reports(
    client: GatewayClient, address: str, report: str | None, section: str, against: str | None, metric: str | None
) -> tuple[Any, ...]:
    """Return the pickers, the section and what is to be said; an address that names a report chooses it.

    Args:
        address: "SECTION/REPORT", each of which may be missing.
    """
    try:
        found = client.evaluations()
    except GatewayError as error:
        return gr.skip(), gr.skip(), gr.skip(), gr.skip(), banner(str(error), "red")
    wanted, _, named = address.partition("/")
    shown = wanted if wanted in SECTIONS.values() else section
    said = "" if found else banner("There are no reports yet: run an evaluation under “Questions and runs”, or `doyen demo`.")
    names = [item["id"] for item in found]
    labels = [(f"{item['id']} · {item['questions']} questions · {item['created_at']}", item["id"]) for item in found]
    chosen = next((name for name in (named, report, *names) if name in names), None)
    others = [name for name in names if name != chosen]
    earlier = against if against in others else next(iter(others), None)
    metrics = sorted({name for item in found for means in item["means"].values() for name in means})
    shown_metric = next((name for name in (metric, HEADLINE, *metrics) if name in metrics), None)
    pickers = (
        gr.update(choices=labels, value=chosen),
        gr.update(choices=labels, value=earlier),
        gr.update(choices=[(name.replace("_", " "), name) for name in metrics], value=shown_metric),
    )
    return *pickers, shown, said


def list_after(client: GatewayClient, job: dict[str, Any], report: str | None, *rest: Any) -> tuple[Any, ...]:
    """Return what `list_reports` does after a job; a report that it made is chosen."""
    made = job["result"].get("report", "") if job.get("kind") == "evaluate" and job["state"] == "done" else ""
    return list_reports(client, f"{REPORT if made else ''}/{made}", report, *rest)


def open_section(
    client: GatewayClient, report: str | None, section: str, against: str | None, metric: str | None
) -> tuple[Any, ...]:
    """Return what `_Parts.opened` names: the section's view, and what hides the others."""
    views: dict[str, Any] = {name: gr.skip() for name in SECTIONS.values()}
    picker: Any = gr.skip()
    try:
        if section == RUN:
            views[RUN], picker = _sets(client)
        elif report is None:
            views[section] = ""
        elif section == REPORT:
            views[REPORT] = comparison_table(client.report(report))
        elif section == COMPARE:
            views[COMPARE] = _changes(client, report, against)
        else:
            views[HISTORY] = history_chart(client.evaluations(), metric or HEADLINE, report)
    except GatewayError as error:
        views[section] = banner(str(error), "red")
    return *views.values(), picker, *(gr.update(visible=section == name) for name in SECTIONS.values())


def _changes(client: GatewayClient, report: str, against: str | None) -> str:
    if not against or against == report:
        return banner("Choose two different runs on the same questions.")
    return changes_table(client.compare_evaluations(report, against))


def _sets(client: GatewayClient) -> tuple[str, Any]:
    found = client.question_sets()
    choices = [(f"{item['name']} · {item['questions']} questions", item["id"]) for item in found]
    return questions_table(found), gr.update(choices=choices)


def register_set(client: GatewayClient, name: str, file: str) -> tuple[str, Any, Any]:
    """Register a set and return what to say, the sets and the picker."""
    if not name.strip() or not file.strip():
        return banner("Name the set and its file first."), gr.skip(), gr.skip()
    try:
        made = client.register_questions(name.strip(), file.strip())
        table, picker = _sets(client)
    except GatewayError as error:
        return banner(str(error), "red"), gr.skip(), gr.skip()
    return (
        banner(f"{made['id']}: {made['questions']} questions are registered; no new dataset holds one.", "green"),
        table,
        picker,
    )


def run_work(kind: str, questions: str | None, name: str, modes: list[str], sample: float | None) -> Work:
    """Return the job that evaluates or estimates, or what is missing."""
    if not questions:
        return "Choose questions first, or name their file."
    if not name.strip():
        return "Name the report first."
    work: dict[str, Any] = {"kind": kind, "questions": questions, "report": name.strip()}
    if modes:
        work["modes"] = modes
    return {**work, "sample": int(sample)} if sample else work


def page(client: GatewayClient, chosen: str | None) -> str:
    """Return the whole report in a frame of its own."""
    if not chosen:
        return ""
    try:
        return report_frame(client.report_page(chosen))
    except GatewayError as error:
        return banner(str(error), "red")
