"""The documents tab: bring documents in, see what became of them and what they are cut into, delete them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from doyen.ui.document_tables import (
    DROP_ZONE,
    chunks_html,
    dependants_html,
    document_card,
    documents_table,
    failures_html,
)
from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.markup import banner
from doyen.ui.sign_in import Gateway

PAGE = 50
"""Documents of a page of the table."""
CHUNKS = 20
"""Chunks of a page of the preview."""
EVERYWHERE = ""

# A click on a document's name tells the server which one, and the page's address names it.
ON_DOCUMENT = """element.addEventListener('click', (event) => {
  const name = event.target.closest('[data-id]');
  if (!name) return;
  history.replaceState(null, '', `#documents/${name.dataset.id}`);
  trigger('click', { id: name.dataset.id });
});"""
# #documents/ID/START-END names a document, and characters of its text that are to be marked.
LINKED = "() => location.hash.startsWith('#documents/') ? location.hash.slice('#documents/'.length) : ''"
SHOW_CARD = "() => { if (innerWidth < 900) document.querySelector('#document').scrollIntoView({ block: 'start' }); }"


@dataclass(frozen=True)
class _Parts:
    """The components that the events of this tab read and write.

    Attributes:
        befores: where the pages before this one begin, as ``after``; the last one is this page's own.
        following: where the next page begins; empty on the last one.
        chosen: id of the document that is shown.
        chunk: ordinal before the first chunk that is shown.
    """

    said: gr.HTML
    zone: gr.HTML
    failures: gr.HTML
    folder: gr.Dropdown
    contains: gr.Textbox
    table: gr.HTML
    back: gr.Button
    on: gr.Button
    card: gr.HTML
    actions: gr.Row
    delete: gr.Button
    sure: gr.Column
    dependants: gr.HTML
    purge: gr.Checkbox
    confirm: gr.Button
    keep: gr.Button
    chunks: gr.HTML
    chunks_back: gr.Button
    chunks_on: gr.Button
    linked: gr.Textbox
    befores: gr.State
    following: gr.State
    chosen: gr.State
    chunk: gr.State

    @property
    def listing(self) -> list[Any]:
        """What changes with the page of the table: the values of `_listing`."""
        return [self.table, self.back, self.on, self.befores, self.following]

    @property
    def document(self) -> list[Any]:
        """What belongs to the document that is shown: the values of `_shown`."""
        return [self.card, self.actions, self.sure, self.chunks, self.chunks_back, self.chunks_on, self.chosen, self.chunk]


def build_documents_tab(gateway: Gateway, tab: gr.Tab) -> None:
    """Lay out the tab inside the current Blocks context and connect its events."""
    parts = _lay_out()
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    _connect_table(gateway, tab, parts, options)
    _connect_document(gateway, parts, options)
    _connect_deletion(gateway, parts, options)


def _lay_out() -> _Parts:
    """Place the components and return those that events need."""
    said = gr.HTML(elem_id="documents-said")
    zone = gr.HTML(DROP_ZONE, elem_id="drop-zone", js_on_load=_drop_zone_script(), visible=False)
    failures = gr.HTML(elem_id="failures")
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=340):
            with gr.Row(elem_classes="doyen-actions"):
                folder = gr.Dropdown([("All folders", EVERYWHERE)], value=EVERYWHERE, label="Folder", elem_id="folder", scale=2)
                contains = gr.Textbox(
                    label="Name or title contains", max_lines=1, elem_id="contains", placeholder="words", scale=2
                )
            table = gr.HTML(elem_id="documents", js_on_load=ON_DOCUMENT)
            with gr.Row(elem_classes="doyen-actions"):
                back = gr.Button("Back", elem_id="documents-back", visible=False)
                on = gr.Button("More", elem_id="documents-on", visible=False)
        with gr.Column(scale=5, min_width=320):
            card = gr.HTML(elem_id="document", js_on_load=ON_DOCUMENT)
            with gr.Row(visible=False) as actions:
                delete = gr.Button("Delete …", elem_id="delete-document", size="sm")
            with gr.Column(visible=False, elem_id="sure") as sure:
                dependants = gr.HTML(elem_id="dependants")
                purge = gr.Checkbox(
                    label="Erase all stored copies of its text too: earlier versions, answers, tasks without labels",
                    elem_id="purge",
                )
                with gr.Row():
                    confirm = gr.Button("Delete it", variant="stop", elem_id="confirm-delete")
                    keep = gr.Button("Keep it", elem_id="keep-document")
            chunks = gr.HTML(elem_id="chunks")
            with gr.Row():
                chunks_back = gr.Button("Chunks before", size="sm", elem_id="chunks-back", visible=False)
                chunks_on = gr.Button("Chunks after", size="sm", elem_id="chunks-on", visible=False)
    return _Parts(
        said=said,
        zone=zone,
        failures=failures,
        folder=folder,
        contains=contains,
        table=table,
        back=back,
        on=on,
        card=card,
        actions=actions,
        delete=delete,
        sure=sure,
        dependants=dependants,
        purge=purge,
        confirm=confirm,
        keep=keep,
        chunks=chunks,
        chunks_back=chunks_back,
        chunks_on=chunks_on,
        linked=gr.Textbox(visible="hidden"),
        befores=gr.State([""]),
        following=gr.State(""),
        chosen=gr.State(None),
        chunk=gr.State(-1),
    )


def _connect_table(gateway: Gateway, tab: gr.Tab, parts: _Parts, options: dict[str, Any]) -> None:
    """Connect opening the tab, choosing a folder and turning the table's pages."""
    by = gateway.with_client
    filters = [parts.folder, parts.contains, parts.chosen]
    frame = [parts.said, parts.zone, parts.failures, parts.folder]
    first = by(lambda client, folder, contains, chosen: _listing(client, folder, contains, chosen, [""]))
    opened = gr.on([tab.select, parts.zone.upload], by(_frame), [parts.folder], frame, **options)
    opened.then(first, filters, parts.listing, **options)
    tab.select(by(_linked), [parts.linked], parts.document, js=LINKED, **options)
    gr.on([parts.folder.input, parts.contains.submit, parts.contains.blur], first, filters, parts.listing, **options)

    def turn_on(client: GatewayClient, folder: str, contains: str, chosen: str | None, befores: list[str], after: str) -> Any:
        return _listing(client, folder, contains, chosen, [*befores, after])

    def turn_back(client: GatewayClient, folder: str, contains: str, chosen: str | None, befores: list[str]) -> Any:
        return _listing(client, folder, contains, chosen, befores[:-1] or [""])

    parts.on.click(by(turn_on), [*filters, parts.befores, parts.following], parts.listing, **options)
    parts.back.click(by(turn_back), [*filters, parts.befores], parts.listing, **options)


def _connect_document(gateway: Gateway, parts: _Parts, options: dict[str, Any]) -> None:
    """Connect choosing a document and turning the pages of its chunks."""
    by = gateway.with_client

    def choose(request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        return _shown(gateway.client(request), str(event.id))

    chosen = gr.on([parts.table.click, parts.card.click], choose, None, parts.document, **options)
    chosen.then(None, None, None, js=SHOW_CARD, **options)
    page = [parts.folder, parts.contains, parts.chosen, parts.befores]
    chosen.then(by(_listing), page, parts.listing, **options)
    place = [parts.chosen, parts.chunk]
    preview = [parts.chunks, parts.chunks_back, parts.chunks_on, parts.chunk]
    parts.chunks_on.click(by(lambda client, id, after: _preview(client, id, after + CHUNKS)), place, preview, **options)
    parts.chunks_back.click(by(lambda client, id, after: _preview(client, id, after - CHUNKS)), place, preview, **options)


def _connect_deletion(gateway: Gateway, parts: _Parts, options: dict[str, Any]) -> None:
    """Connect deleting: what rests on the document is shown first."""
    by = gateway.with_client
    asking = [parts.sure, parts.dependants, parts.purge, parts.said]
    parts.delete.click(by(_ask), [parts.chosen], asking, **options)
    parts.keep.click(lambda: gr.update(visible=False), None, [parts.sure], **options)
    deleted = parts.confirm.click(by(_delete), [parts.chosen, parts.purge], [parts.said, *parts.document], **options)
    page = [parts.folder, parts.contains, parts.chosen, parts.befores]
    deleted.then(by(_listing), page, parts.listing, **options)


def _frame(client: GatewayClient, folder: str) -> tuple[Any, ...]:
    """Return what was said, the drop zone, what could not be read, and the folders."""
    try:
        admin = bool(client.key()["admin"])
        paths = [(f"{each['path']} ({each['documents']})", each["path"]) for each in client.folders()]
        runs = [job for job in client.jobs() if job["kind"] == "ingest" and job["ended_at"]] if admin else []
    except GatewayError as error:
        return banner(str(error), "red"), gr.skip(), "", gr.skip()
    known = [path for _, path in paths]
    picker = gr.update(choices=[("All folders", EVERYWHERE), *paths], value=folder if folder in known else EVERYWHERE)
    return "", gr.update(visible=admin), failures_html(next(iter(runs), None)), picker


def _listing(client: GatewayClient, folder: str, contains: str, chosen: str | None, befores: list[str]) -> tuple[Any, ...]:
    """Return the values of ``_Parts.listing`` for the page that begins after the last of ``befores``."""
    try:
        found = client.documents(folder=folder or "", contains=contains, after=befores[-1], limit=PAGE)
    except GatewayError as error:
        return banner(str(error), "red"), gr.update(visible=False), gr.update(visible=False), [""], ""
    back, on = gr.update(visible=len(befores) > 1), gr.update(visible=found["next"] is not None)
    return documents_table(found, chosen), back, on, befores, found["next"] or ""


def _linked(client: GatewayClient, link: str) -> tuple[Any, ...]:
    """Return the values of ``_Parts.document`` for what the page's address names; nothing changes where it names none."""
    document, _, place = link.partition("/")
    if not document:
        return tuple(gr.skip() for _ in range(8))
    start, _, end = place.partition("-")
    span = (int(start), int(end)) if start.isdecimal() and end.isdecimal() else None
    return _shown(client, document, span)


def _shown(client: GatewayClient, document: str, span: tuple[int, int] | None = None) -> tuple[Any, ...]:
    """Return the values of ``_Parts.document``."""
    hidden = gr.update(visible=False)
    try:
        found = client.document(document)
        card = document_card(found, client.versions(document), client.near_duplicates(document))
        preview = _preview(client, document, -1, span)
    except GatewayError as error:
        return banner(str(error), "red"), hidden, hidden, "", hidden, hidden, None, -1
    return card, gr.update(visible=found["groups"] is not None), hidden, *preview[:3], document, preview[3]


def _preview(client: GatewayClient, document: str, after: int, span: tuple[int, int] | None = None) -> tuple[Any, ...]:
    """Return a page of chunks, the buttons that turn it, and the ordinal before its first."""
    found = client.chunks(document, after=max(after, -1), at=span[0] if span else None, limit=CHUNKS)
    first = found["data"][0]["ordinal"] if found["data"] else 0
    back, on = gr.update(visible=first > 0), gr.update(visible=found["next"] is not None)
    return chunks_html(found, span), back, on, first - 1


def _ask(client: GatewayClient, document: str | None) -> tuple[Any, ...]:
    """Return the question whether to delete, with what rests on the document."""
    if not document:
        return gr.update(visible=False), "", False, banner("Choose a document first.")
    try:
        source = client.document(document)["source"]
        found = client.trace(document, "document")
    except GatewayError as error:
        return gr.update(visible=False), "", False, banner(str(error), "red")
    return gr.update(visible=True), dependants_html(source, found), False, ""


def _delete(client: GatewayClient, document: str | None, purge: bool) -> tuple[Any, ...]:
    """Delete the document and return what was said, and the values of ``_Parts.document``."""
    if not document:
        return (banner("Choose a document first."), *(gr.skip() for _ in range(8)))
    try:
        deleted = client.delete_document(document, purge=purge)
    except GatewayError as error:
        return (banner(str(error), "red"), *(gr.skip() for _ in range(8)))
    kept = (deleted["purged"] or {}).get("kept", [])
    said = "The document is deleted." + (f" Still kept: {'; '.join(kept)}." if kept else "")
    hidden = gr.update(visible=False)
    return banner(said, "amber" if kept else "green"), "", hidden, hidden, "", hidden, hidden, None, -1


def _drop_zone_script() -> str:
    return (Path(__file__).parent / "drop_zone.js").read_text(encoding="utf-8")
