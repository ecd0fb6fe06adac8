"""HTML for the pages. Everything that comes from documents, models or people is escaped here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from doyen.core.answers import MARK_MEANINGS, MARK_SIGNS, Answer, AnswerSentence, Citation, Extract, Passage, version_note
from doyen.ui.conversation import Exchange, beside_of
from doyen.ui.page_pictures import picture_of

MODE_LABELS = {
    "best": "Best measured",
    "base": "Base model",
    "extract": "Quoted from the documents",
    "rag": "Documents",
    "rag-short": "Documents, shortest answer",
    "rag-reading": "Documents, trained to read",
    "finetune": "Adapter",
    "hybrid": "Documents + adapter",
}

MODE_MEANINGS = {
    "base": "The model alone answers from what it once learnt: it reads no document and cites nothing.",
    "extract": "The words of a passage that answer, as they stand there. The fastest way; nothing is written anew.",
    "rag": "The model reads the passages that are found, answers in its words, and cites them.",
    "rag-short": "As “Documents”, asked for the shortest answer.",
    "rag-reading": "As “Documents”, with an adapter that has learnt to answer from passages of any domain.",
    "finetune": "An adapter that was trained on your labels answers without documents: it cites nothing.",
    "hybrid": "An adapter that was trained on your labels reads the passages that are found, and cites them.",
}
"""Each mode in a sentence; what "best" stands for is the gateway's to say."""

PAGE_GONE = "This page cannot be shown: its document has changed or is gone since, or you may not read it any more."


@dataclass(frozen=True)
class Coming:
    """What has come so far of an answer that is not finished."""

    text: str = ""
    extract: Extract | None = None


def conversation_html(exchanges: Sequence[Exchange], coming: Coming = Coming(), beside: Coming = Coming()) -> str:
    """Return a conversation; the last answers, where they are not finished, as far as they have come."""
    if not exchanges:
        return (
            "<div class='doyen-empty'><h2>Ask your documents</h2><p>Answers quote the passages they rest on, "
            "or say that the documents do not know.</p></div>"
        )
    turns = []
    for index, exchange in enumerate(exchanges):
        turns.append(f"<div class='doyen-question' data-question='{index}'>{escape(exchange.question)}</div>")
        reply = _reply_html(index, exchange, coming)
        if exchange.beside is not None:
            other = _reply_html(beside_of(index), exchange.beside, beside)
            reply = f"<div class='doyen-beside'>{reply}{other}</div>"
        turns.append(reply)
    return f"<div class='doyen-conversation' role='log' aria-live='polite'>{''.join(turns)}</div>"


def _reply_html(place: int, exchange: Exchange, coming: Coming) -> str:
    """Return what came of a question, or is coming."""
    if exchange.answer is not None:
        return _answer_html(place, exchange.answer)
    if exchange.problem:
        return (
            "<div class='doyen-reply doyen-failed' role='alert'><span class='doyen-chip doyen-red'>No answer</span>"
            f"<div class='doyen-text'>{escape(exchange.problem)}</div>{_actions(place, copy=False)}</div>"
        )
    text = escape(coming.text) or (_found(coming.extract) if coming.extract else "<span class='doyen-wait'>Reading…</span>")
    return f"<div class='doyen-reply doyen-coming' aria-busy='true'><div class='doyen-text'>{text}</div></div>"


def _actions(place: int, *, copy: bool = True) -> str:
    """Return what can be done with an answer; in the browser alone, see chat.js."""
    of = place if place >= 0 else beside_of(place)
    acts = (("copy", "Copy"),) if copy else ()
    buttons = "".join(
        f"<button type='button' class='doyen-act' data-act='{act}' data-of='{of}'>{name}</button>"
        for act, name in (*acts, ("again", "Ask again"), ("edit", "Edit question"))
    )
    return f"<div class='doyen-acts'>{buttons}</div>"


def _found(extract: Extract) -> str:
    """Return the sentence that may answer, with the words that do marked, while the answer is being written."""
    found = "Found in" if extract.mark == "supported" else "Perhaps in"
    found = f"<span class='doyen-wait'>{found} {escape(_place(extract.citation))}:</span>"
    return f"{found} {_sentence(extract.citation)}"


def _sentence(citation: Citation) -> str:
    """Return a cited sentence with the words marked that answer."""
    spans = [(citation.span[0] - citation.start, citation.span[1] - citation.start)] if citation.span else []
    return highlight(citation.quote, spans)


def _answer_html(index: int, answer: Answer) -> str:
    """Return a finished answer with its sources and how it came about."""
    warnings = _warnings(answer)
    chips = "".join(f"<span class='doyen-chip doyen-amber'>{escape(warning)}</span>" for warning in warnings)
    sources = dict.fromkeys((citation.marker, _place(citation)) for citation in answer.citations)
    listed = "".join(
        f"<button type='button' class='doyen-source' data-marker='{marker}' title='Show the passage'><b>{marker}</b> "
        f"{escape(place)}</button>"
        for marker, place in sources
    )
    listed = f"<div class='doyen-sources'>{listed}</div>" if listed else ""
    listed += "".join(map(_other_version, answer.other_versions))
    quoted = [citation for citation in answer.citations if citation.span]
    listed = "".join(f"<blockquote>{_sentence(citation)}</blockquote>" for citation in quoted) + listed
    kind = " doyen-abstained" if answer.abstained else " doyen-doubtful" if warnings else ""
    return (
        f"<div class='doyen-reply{kind}' data-index='{index}' tabindex='0'>{chips}"
        f"<div class='doyen-text'>{''.join(_sentence_html(*piece) for piece in answer.marked_text())}</div>"
        f"{listed}"
        f"<div class='doyen-meta'>{escape(' · '.join(_circumstances(answer)))}</div>{_actions(index)}</div>"
    )


def _other_version(citation: Citation) -> str:
    """Return what another version of a cited document says in the same place."""
    place = f"<span class='doyen-chip doyen-amber'>{'Superseded' if citation.superseded_by else 'Newer version'}</span>"
    return (
        f"<div class='doyen-version'>{place} <b>{citation.marker}</b> {escape(_place(citation))}: "
        f"“{escape(citation.quote)}”</div>"
    )


def _sentence_html(text: str, sentence: AnswerSentence | None) -> str:
    """Return a piece of an answer; a sentence with its mark as a line below it, a sign and a tooltip."""
    if sentence is None:
        return escape(text)
    mark, meaning, sign = sentence.mark, MARK_MEANINGS[sentence.mark], MARK_SIGNS[sentence.mark]
    if sentence.citation and mark == "supported":
        meaning, sign = f"{meaning}: {sentence.citation.marker} {_place(sentence.citation)}", str(sentence.citation.marker)
    return (
        f"<span class='doyen-sentence doyen-{mark}' title='{escape(meaning)}'>{escape(text)}"
        f"<sup role='img' aria-label='{escape(meaning)}'>{sign}</sup></span>"
    )


def _warnings(answer: Answer) -> list[str]:
    """Return what to know before relying on an answer, in a few words each."""
    return [
        text
        for holds, text in (
            (answer.abstained, "Not in the documents"),
            (
                bool(answer.citations) and all(citation.superseded_by for citation in answer.citations),
                "From a superseded version",
            ),
            (answer.support == "number_not_found", "Check the number: no cited sentence holds it"),
            (any(sentence.mark == "unsure" for sentence in answer.sentences), "May not be what was asked: check it"),
            (answer.finish_reason == "length", "Cut off at the length limit"),
            (answer.finish_reason == "repetition", "Stopped: it repeated itself"),
        )
        if holds
    ]


def passages_panel(exchange: Exchange | None) -> str:
    """Return the passages beside an answer: cited ones with the quotes marked, the others folded away."""
    if exchange is None or exchange.answer is None:
        return _note("Passages", "The passages that an answer rests on appear here, with the quoted words marked.")
    about = f"<p class='doyen-about'>About the answer to “{escape(exchange.question)}”</p>"
    return f"<div class='doyen-panel'>{about}{_passages(exchange.answer, exchange.page_images)}</div>"


def _passages(answer: Answer, page_images: Sequence[str | None]) -> str:
    if not answer.passages:
        return _note("No passages", f"“{MODE_LABELS.get(answer.mode, answer.mode)}” answered without passages.")
    quoted: dict[int, list[Citation]] = {}
    pictures: dict[int, list[str]] = {}
    for number, citation in enumerate(answer.citations):
        quoted.setdefault(citation.marker, []).append(citation)
        if number < len(page_images) and (picture := picture_of(page_images[number])):
            pictures.setdefault(citation.marker, []).append(_page(*picture, citation.source))
    cited: list[str] = []
    others: list[str] = []
    for marker, passage in enumerate(answer.passages, start=1):
        card = _card(marker, passage, quoted.get(marker, []), dict.fromkeys(pictures.get(marker, [])))
        (cited if marker in quoted else others).append(card)
    if answer.abstained:
        head = _note(
            "Not in the documents", "Nothing that was found answers the question. The closest passages:", "doyen-amber"
        )
        return head + "".join(cited + others)
    if not cited:
        return f"<h3>Read, but not quoted</h3>{''.join(others)}"
    more = f"<details><summary>Also read ({len(others)})</summary>{''.join(others)}</details>" if others else ""
    return f"<h3>Quoted passages</h3>{''.join(cited)}{more}"


def highlight(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return text as HTML with the spans (start, end) marked; spans may overlap or reach beyond the text."""
    pieces = []
    done = 0
    for start, end in sorted(spans):
        start, end = max(start, done), min(end, len(text))
        if start >= end:
            continue
        pieces += [escape(text[done:start]), "<mark>", escape(text[start:end]), "</mark>"]
        done = end
    return "".join([*pieces, escape(text[done:])])


def _page(address: str, page: int, source: str) -> str:
    """Return a page as it is printed, which is fetched when it is unfolded; the picture leads to itself at its full size."""
    shown = f"Page {page} of {source}, with the quoted words marked"
    return (
        f"<details class='doyen-page'><summary>Show page {page} as printed</summary>"
        f"<a href='{escape(address)}' target='_blank' rel='noopener' title='Open it at full size'>"
        f"<img src='{escape(address)}' alt='{escape(shown)}' loading='lazy' "
        "onerror=\"this.closest('details').classList.add('doyen-gone')\"></a>"
        f"<p class='doyen-missing' role='status'>{PAGE_GONE}</p></details>"
    )


def _card(marker: int, passage: Passage, citations: Sequence[Citation], pages: Iterable[str] = ()) -> str:
    """Return one passage with its quotes marked, and the pages that they stand on."""
    text, offset = passage.text, passage.start
    spans = []
    loose = []
    for citation in citations:
        start, end = citation.start - offset, citation.end - offset
        if 0 <= start < end and text[start:end] == citation.quote:
            spans.append((start, end))
        else:
            loose.append(f"<blockquote>{escape(citation.quote)}</blockquote>")
    heading = f"<div class='doyen-heading'>{escape(passage.heading)}</div>" if passage.heading else ""
    first = next(iter(citations), None)
    span = f"{first.start}-{first.end}" if first else f"{passage.start}-{passage.end}"
    link = f"<a href='#documents/{escape(passage.document_id)}/{span}' title='Open the document here'>"
    return (
        f"<article class='doyen-card{' doyen-cited' if citations else ''}' data-passage='{marker}'><header><b>{marker}</b> "
        f"{link}{escape(_place(passage))}</a></header>{heading}{''.join(pages)}{''.join(loose)}"
        f"<p>{highlight(text, spans)}</p></article>"
    )


def _place(item: Passage | Citation) -> str:
    page = f", page {item.page}" if item.page else ""
    return f"{item.source}{page}{version_note(item)}"


def _circumstances(answer: Answer) -> list[str]:
    """Return how an answer came about, in a few words each."""
    notes = [MODE_LABELS.get(answer.mode, answer.mode)]
    if answer.mode_reason:
        notes[0] += f" ({answer.mode_reason})"
    if answer.adapter:
        notes.append(answer.adapter)
    if answer.query not in {"", answer.question}:
        notes.append(f"searched for “{answer.query}”")
    notes.append(f"{answer.timings.total_s:.1f} s")
    if answer.usage.completion_tokens:
        notes.append(f"{answer.usage.prompt_tokens} + {answer.usage.completion_tokens} tokens")
    return notes


def _note(title: str, text: str, kind: str = "") -> str:
    return f"<div class='doyen-note {kind}'><h3>{escape(title)}</h3><p>{escape(text)}</p></div>"


def banner(text: str, kind: str = "amber") -> str:
    """Return a line that stands out; nothing for an empty text."""
    return f"<div class='doyen-banner doyen-{kind}' role='status'>{escape(text)}</div>" if text else ""


def page_header(title: str, gateway: str) -> str:
    """Return the top of the page."""
    return (
        f"<div class='doyen-top'><span class='doyen-logo'>{escape(title[:1].upper())}</span><div><h1>{escape(title)}</h1>"
        f"<p>Answers from your documents, with the passages they rest on</p></div>"
        f"<span class='doyen-gateway'>{escape(gateway)}</span>"
        "<button id='look' class='doyen-look' type='button' aria-label='Dark look' title='Light or dark'></button></div>"
    )
