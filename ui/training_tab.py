"""The tab of datasets and training: what is learnt from, what it would take, and the training itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.job_panel import OPTIONS, JobPanel, Work
from doyen.ui.markup import banner
from doyen.ui.sign_in import Gateway
from doyen.ui.training_tables import card_html, datasets_table, loss_chart

KINDS = ("build-dataset", "check-dataset", "estimate-training", "train")
DATASETS, BUILD, TRAIN = "datasets", "build", "train"
SECTIONS = {"Datasets": DATASETS, "Build": BUILD, "Train": TRAIN}
TRAINED = {"an adapter of the generator": "generator", "a reader": "reader", "the embedder": "embedder"}
SPLITS = {"by document": "document", "by labelling group": "group", "by time": "time"}
# A link to this tab may name what is open in it: #training/SECTION/DATASET.
FROM_ADDRESS = "(_, ...rest) => [location.hash.split('/').slice(1).map(decodeURIComponent).join('/'), ...rest]"
TO_ADDRESS = """(dataset, section) => {
  if (location.hash.slice(1).split('/')[0] !== 'training') return;
  history.replaceState(null, '', `#training/${section}/${encodeURIComponent(dataset || '')}`);
}"""


@dataclass(frozen=True)
class _Parts:
    """The components that the events read and write.

    Attributes:
        columns: one for each section, in the order of `SECTIONS`.
    """

    dataset: gr.Dropdown
    section: gr.Radio
    said: gr.HTML
    table: gr.HTML
    card: gr.HTML
    project: gr.Dropdown
    columns: list[gr.Column]

    @property
    def listed(self) -> list[Any]:
        """The values of `list_datasets`."""
        return [self.table, self.dataset, self.project, self.section, self.said]


def build_training_tab(gateway: Gateway, tab: gr.Tab) -> None:
    """Lay out the tab inside the current Blocks context and connect its events."""
    with gr.Row(elem_classes="doyen-actions"):
        dataset = gr.Dropdown([], label="Dataset", elem_id="dataset", scale=4)
        refresh = gr.Button("Refresh", elem_id="refresh-datasets")
    panel = JobPanel(gateway, "training", KINDS, loss_chart)
    section = gr.Radio(list(SECTIONS.items()), value=DATASETS, label="Show", show_label=False, elem_id="training-section")
    said = gr.HTML(elem_id="training-said", elem_classes="doyen-said")
    with gr.Column() as datasets_column:
        table = gr.HTML(elem_id="datasets")
        check = gr.Button("Check the chosen one for leaks again", elem_id="check-dataset")
        card = gr.HTML(elem_id="dataset-card")
    with gr.Column(visible=False) as build_column:
        project = _lay_out_building(panel)
    with gr.Column(visible=False) as train_column:
        _lay_out_training(panel, dataset)
    parts = _Parts(dataset, section, said, table, card, project, [datasets_column, build_column, train_column])
    panel.starts(check, lambda chosen: _on_dataset("check-dataset", chosen), [dataset])
    panel.rejoins(tab)
    _connect_views(gateway, tab, refresh, panel, parts)


def _lay_out_building(panel: JobPanel) -> gr.Dropdown:
    with gr.Row():
        name = gr.Textbox(label="Name", max_lines=1, elem_id="dataset-name")
        project = gr.Dropdown([], label="Labels of the annotation project", elem_id="dataset-project")
        frozen = gr.Textbox(
            label="Questions that it must not hold: a file in the workspace's folder, beside the registered ones",
            max_lines=1,
            elem_id="dataset-frozen",
        )
    with gr.Row(elem_classes="doyen-actions"):
        split = gr.Dropdown(list(SPLITS.items()), value="document", label="Parts are held apart", elem_id="dataset-split")
        validation = gr.Slider(0, 0.5, value=0.1, step=0.05, label="Share for validation", elem_id="dataset-validation")
        test = gr.Slider(0, 0.5, value=0.0, step=0.05, label="Share for a test", elem_id="dataset-test")
        build = gr.Button("Build", variant="primary", elem_id="build-dataset")
    gr.HTML(
        "<p class='doyen-hint'>A dataset that leaks, between its parts or from registered questions, is not built: the pairs "
        "are shown instead. Other rules stand in doyen.toml, under [dataset].</p>"
    )
    panel.starts(build, build_work, [name, project, frozen, split, validation, test])
    return project


def _lay_out_training(panel: JobPanel, dataset: gr.Dropdown) -> None:
    with gr.Row():
        of = gr.Dropdown(list(TRAINED.items()), value="generator", label="Train", elem_id="train-of")
        name = gr.Textbox(label="Name of the adapter (empty: the dataset's)", max_lines=1, elem_id="train-name")
        epochs = gr.Number(0, label="Epochs (0: as in the settings)", minimum=0, elem_id="train-epochs")
        patience = gr.Number(
            0, label="Stop after so many validations without a gain (0: as set)", precision=0, elem_id="train-patience"
        )
    with gr.Row(elem_classes="doyen-actions"):
        estimate = gr.Button("Estimate", elem_id="estimate-training")
        train = gr.Button("Train", variant="primary", elem_id="start-training")
    gr.HTML(
        "<p class='doyen-hint'>An estimate takes a short trial, from which the training goes on. A training that is stopped "
        "goes on later and ends with the same weights. Epochs and stopping early are options of the generator alone.</p>"
    )
    inputs = [dataset, of, name, epochs, patience]
    panel.starts(estimate, lambda *values: train_work("estimate-training", *values), inputs)
    panel.starts(train, lambda *values: train_work("train", *values), inputs)


def _connect_views(gateway: Gateway, tab: gr.Tab, refresh: gr.Button, panel: JobPanel, parts: _Parts) -> None:
    by, address = gateway.with_client, gr.Textbox(visible="hidden")
    where = [address, parts.dataset, parts.section]
    shown = [parts.card, *parts.columns]
    listings = [
        tab.select(by(list_datasets), where, parts.listed, js=FROM_ADDRESS, **OPTIONS),
        refresh.click(by(list_datasets), where, parts.listed, **OPTIONS),
        panel.ended.change(by(list_after), [panel.ended, *where[1:]], parts.listed, **OPTIONS),
    ]
    for listing in listings:
        listing.then(by(open_section), [parts.dataset, parts.section], shown, **OPTIONS)
    gr.on([parts.dataset.input, parts.section.input], by(open_section), [parts.dataset, parts.section], shown, **OPTIONS)
    gr.on([parts.dataset.change, parts.section.change], None, [parts.dataset, parts.section], None, js=TO_ADDRESS, **OPTIONS)


def list_datasets(client: GatewayClient, address: str, dataset: str | None, section: str) -> tuple[Any, ...]:
    """Return the table, the pickers, the section and what went wrong; an address that names a dataset chooses it.

    Args:
        address: "SECTION/DATASET", each of which may be missing.
    """
    try:
        found, projects = client.datasets(), client.annotation_projects()
    except GatewayError as error:
        return "", gr.skip(), gr.skip(), gr.skip(), banner(str(error), "red")
    wanted, _, named = address.partition("/")
    ids = [item["id"] for item in found]
    chosen = next((each for each in (named, dataset, *ids) if each in ids), None)
    labelled = [item["name"] for item in projects if item["labelled"] and item["purpose"] != "review"]
    shown = wanted if wanted in SECTIONS.values() else section
    picker = gr.update(choices=labelled, value=labelled[0] if labelled else None)
    return datasets_table(found), gr.update(choices=ids, value=chosen), picker, shown, ""


def list_after(client: GatewayClient, job: dict[str, Any], dataset: str | None, section: str) -> tuple[Any, ...]:
    """Return what `list_datasets` does after a job; a dataset that it built is chosen."""
    built = job["result"].get("dataset", "") if job.get("kind") == "build-dataset" and job["state"] == "done" else ""
    return list_datasets(client, f"/{built}", dataset, section)


def open_section(client: GatewayClient, dataset: str | None, section: str) -> tuple[Any, ...]:
    """Return the chosen dataset's card, and what hides the other sections."""
    card: Any = gr.skip()
    if section == DATASETS:
        try:
            card = card_html(client.dataset(dataset)) if dataset else ""
        except GatewayError as error:
            card = banner(str(error), "red")
    return card, *(gr.update(visible=section == name) for name in SECTIONS.values())


def build_work(name: str, project: str | None, frozen: str, split: str, validation: float, test: float) -> Work:
    """Return the job that builds a dataset, or what is missing."""
    if not name.strip():
        return "Name the dataset first."
    if not project:
        return "Choose a project with labels first."
    rules = {"split": split, "validation_share": validation, "test_share": test}
    work = {"kind": "build-dataset", "name": name.strip(), "project": project, "rules": rules}
    return {**work, "frozen": frozen.strip()} if frozen.strip() else work


def train_work(kind: str, dataset: str | None, of: str, name: str, epochs: float | None, patience: float | None) -> Work:
    """Return the job that trains or estimates, or what is missing."""
    work = _on_dataset(kind, dataset)
    if isinstance(work, str):
        return work
    given = {"epochs": epochs, "patience": None if patience is None else int(patience)}
    options = {option: value for option, value in given.items() if value}
    return {**work, "of": of, "options": options, **({"name": name.strip()} if name.strip() else {})}


def _on_dataset(kind: str, dataset: str | None) -> Work:
    return {"kind": kind, "dataset": dataset} if dataset else "Choose a dataset first: build one under “Build”."
