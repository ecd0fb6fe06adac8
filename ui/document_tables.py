"""Tables and cards of the documents tab as HTML, everything in them escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from doyen.ui.markup import banner, highlight

STEPS = {
    "task": "annotation tasks",
    "label": "labels",
    "row": "rows of datasets",
    "dataset": "datasets",
    "adapter": "adapters",
    "report": "evaluation reports",
    "answer": "answers",
    "feedback": "feedback",
}
"""Kind of what may rest on a document → its plural."""
DROP_ZONE = (
    "<div class='doyen-drop'><p><b>Drop files or folders here</b>, or choose "
    "<button type='button' class='doyen-link' data-pick='files'>files</button> or "
    "<button type='button' class='doyen-link' data-pick='folder'>a folder</button>.</p>"
    "<input type='file' multiple hidden data-for='files'><input type='file' webkitdirectory hidden data-for='folder'>"
    "<div class='doyen-fields'><label>Store below <input name='folder' placeholder='no folder' maxlength='200'></label>"
    "<label>Readable by groups <input name='groups' placeholder='as the rules say' maxlength='200'></label></div></div>"
    "<ul class='doyen-uploads' aria-live='polite'></ul>"
)


def documents_table(found: dict[str, Any], chosen: str | None) -> str:
    """Return a page of documents; a click on a name chooses it."""
    if not found["data"]:
        return banner("No documents here: drop some above, or run `doyen ingest FOLDER`.")
    rows = "".join(_row(document, document["id"] == chosen) for document in found["data"])
    head = "<thead><tr><th>Document</th><th>State</th><th>Chunks</th><th>Size</th><th>Read</th></tr></thead>"
    return (
        f"<div class='doyen-tables' tabindex='0' role='region' aria-label='Documents'><table>{head}<tbody>{rows}</tbody>"
        f"</table></div><p class='doyen-hint'>{len(found['data'])} of {found['total']} documents</p>"
    )


def _row(document: dict[str, Any], chosen: bool) -> str:
    title = f"<small>{escape(document['title'])}</small>" if document["title"] else ""
    return (
        f"<tr{' class=doyen-chosen' if chosen else ''}><th>{_name(document, chosen)}{title}</th>"
        f"<td>{_states(document)}</td><td>{document['chunks']}</td><td>{_size(document['bytes'])}</td>"
        f"<td>{escape(_time(document['ingested_at']))}</td></tr>"
    )


def _name(document: dict[str, Any], chosen: bool = False) -> str:
    """Return a document's source as a button that chooses it."""
    current = " aria-current='true'" if chosen else ""
    return (
        f"<button type='button' class='doyen-link' data-id='{escape(document['id'])}'{current}>"
        f"{escape(document['source'])}</button>"
    )


def _states(document: dict[str, Any]) -> str:
    """Return what there is to say of a document, as chips."""
    states = []
    if document["superseded_by"]:
        states.append(("amber", "Superseded", f"by {document['superseded_by']}"))
    elif document["revision"]:
        states.append(("green", "In force", document["revision"]))
    if document["duplicate_of"]:
        states.append(("grey", "Copy", "the same text is found under another name"))
    elif not document["chunks"]:
        states.append(("red", "No text", "nothing of it can be found"))
    elif not states:
        states.append(("green", "Searched", ""))
    if pages := document["pages_without_text"]:
        states.append(("amber", "Pages without text", _numbers(pages)))
    if doubtful := [each["page"] for each in document["recognised"]]:
        states.append(("blue", "Text recognised", f"pages {_numbers(doubtful)}"))
    return "".join(
        f"<span class='doyen-chip doyen-{colour}'>{state}</span><small>{escape(why)}</small>" for colour, state, why in states
    )


def document_card(document: dict[str, Any], versions: Sequence[dict[str, Any]], alike: Sequence[dict[str, Any]]) -> str:
    """Return what is known of a document."""
    facts = [
        ("State", _states(document)),
        ("Title", escape(document["title"])),
        ("Type", escape(document["media_type"])),
        ("Size", f"{_size(document['bytes'])}, {document['chunks']} chunks"),
        ("Readable by", escape(_readers(document["groups"]))),
        ("Versions", _versions(versions)),
        ("Near-duplicates", "".join(map(_alike, alike)) or "none"),
        ("Id", f"<code>{escape(document['id'])}</code>"),
    ]
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts if value)
    return f"<div class='doyen-panel'><h3>{escape(document['source'])}</h3><dl class='doyen-facts'>{rows}</dl></div>"


def _versions(versions: Sequence[dict[str, Any]]) -> str:
    return "".join(
        f"<div>{escape(_time(each['created_at']))} · {each['characters']:,} characters · "
        f"<code>{escape(each['version'][:8])}</code>{' · <b>current</b>' if each['current'] else ''}</div>"
        for each in versions
    )


def _alike(document: dict[str, Any]) -> str:
    same = " (the same text)" if document["exact"] else ""
    return f"<div>{_name(document)}{same}</div>"


def chunks_html(found: dict[str, Any], span: tuple[int, int] | None = None) -> str:
    """Return a page of a document's chunks.

    Args:
        span: characters of the document's text to mark.
    """
    if not found["data"]:
        return banner("No chunk of this document is in the index.")
    first, last = found["data"][0]["ordinal"] + 1, found["data"][-1]["ordinal"] + 1
    cards = "".join(_chunk(chunk, span) for chunk in found["data"])
    about = f"<p class='doyen-about'>Chunks {first} to {last} of {found['total']}</p>"
    return f"<div class='doyen-panel' tabindex='0' role='region' aria-label='Chunks'>{about}{cards}</div>"


def _chunk(chunk: dict[str, Any], span: tuple[int, int] | None) -> str:
    start, end = span or (0, 0)
    inside = [(start - chunk["start"], end - chunk["start"])] if start < chunk["end"] and end > chunk["start"] else []
    page = f", page {chunk['page']}" if chunk["page"] else ""
    heading = f"<div class='doyen-heading'>{escape(chunk['heading'])}</div>" if chunk["heading"] else ""
    return (
        f"<article class='doyen-card{' doyen-cited' if inside else ''}'><header><b>{chunk['ordinal'] + 1}</b> "
        f"<span>characters {chunk['start']} to {chunk['end']}{page}</span></header>{heading}"
        f"<p>{highlight(chunk['text'], inside)}</p></article>"
    )


def dependants_html(source: str, trace: dict[str, Any]) -> str:
    """Return what rests on a document, to be read before it is deleted."""
    stages = [stage for stage in trace["came_of"] if stage["total"]]
    head = f"<h3>Delete {escape(source)}?</h3>"
    if not stages:
        return f"<div class='doyen-note doyen-amber'>{head}<p>Nothing rests on it.</p></div>"
    listed = "".join(map(_stage, stages))
    return (
        f"<div class='doyen-note doyen-amber'>{head}<p>What rests on it stays as it is, and is marked as stale where it can be "
        f"made again:</p><ul>{listed}</ul></div>"
    )


def _stage(stage: dict[str, Any]) -> str:
    names = [" ".join(filter(None, (item["title"] or item["id"], item["state"]))) for item in stage["items"]]
    more = " …" if stage["total"] > len(names) else ""
    return f"<li><b>{stage['total']} {STEPS.get(stage['kind'], stage['kind'])}</b>: {escape('; '.join(names))}{more}</li>"


def failures_html(job: dict[str, Any] | None) -> str:
    """Return what the newest job that read documents could not read, with the reason; nothing where there is none."""
    if job is None:
        return ""
    failed = [*job["result"].get("failed", []), *job["result"].get("skipped", [])]
    if job["error"]:
        failed.insert(0, ["The whole run", job["error"]])
    if not failed:
        return ""
    rows = "".join(f"<tr><th>{escape(str(source))}</th><td>{escape(str(reason))}</td></tr>" for source, reason in failed)
    return (
        f"<details class='doyen-tables' open><summary>{len(failed)} not read by the run of {escape(_time(job['created_at']))}"
        f"</summary><table><tbody>{rows}</tbody></table></details>"
    )


def _readers(groups: list[str] | None) -> str:
    if groups is None:
        return ""
    return ", ".join(groups) or "everyone who may use the workspace"


def _numbers(pages: Sequence[int]) -> str:
    shown = ", ".join(map(str, pages[:8]))
    return f"{shown} …" if len(pages) > 8 else shown


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(count / 1e3, 0.1):.1f} kB"


def _time(text: str) -> str:
    return text[:16].replace("T", " ")
