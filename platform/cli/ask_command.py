"""``doyen ask``: one question, one answer with its citations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from doyen.core.modes import BEST, MODES
from doyen.platform.cli.session import CliSession, with_session

if TYPE_CHECKING:
    from doyen.core.answers import Answer, Citation

_MODES_HELP = f"{', '.join(MODES)}, or {BEST}: the best one that the reports measured."
_DOUBTS = {
    "unsure": "check this: it may not be what was asked",
    "not_found": "no passage says this",
    "number_differs": "check the number: no cited sentence about the question holds it",
}
_ENDINGS = {
    "length": "  (cut at the token limit: raise serving.max_tokens for longer answers)",
    "repetition": "  (the model began to repeat itself and was stopped)",
}


@with_session
def ask(
    session: CliSession,
    question: Annotated[str, typer.Argument(help="The question.")],
    mode: Annotated[str, typer.Option("--mode", "-m", help=_MODES_HELP)] = BEST,
    adapter: Annotated[str | None, typer.Option(help="name or name:version; default: the promoted, else the newest.")] = None,
) -> None:
    """Answer a question and quote the passages that the answer rests on."""
    answer = session.doyen.ask(question, mode, adapter=adapter)
    session.emit(answer.public_json(), format_answer(answer))


def format_answer(answer: Answer) -> str:
    """Return an answer and its citations as lines for a terminal."""
    lines = [answer.answer]
    doubtful = [sentence for sentence in answer.sentences if sentence.mark in _DOUBTS]
    lines += [f"  ({_DOUBTS[each.mark]}: “{answer.answer[each.start : each.end]}”)" for each in doubtful]
    if answer.support == "number_not_found" and not answer.sentences:
        lines.append(f"  ({_DOUBTS['number_differs']})")
    if answer.abstained and answer.citations:
        lines.append("  What they say nearby:")
    for citation in answer.citations:
        lines.append(f"  [{citation.marker}] {_place(citation)}: “{citation.quote}”")
        lines += [
            f"      {_place(other)} says: “{other.quote}”" for other in answer.other_versions if other.marker == citation.marker
        ]
    if answer.query not in {"", answer.question}:
        lines.append(f"  (searched for: {answer.query})")
    if answer.mode_reason:
        lines.append(f"  (mode {answer.mode}: {answer.mode_reason})")
    if note := _ENDINGS.get(answer.finish_reason):
        lines.append(note)
    return "\n".join(lines)


def _place(citation: Citation) -> str:
    from doyen.core.answers import version_note

    page = f", page {citation.page}" if citation.page else ""
    return f"{citation.source}{page}{version_note(citation)}"
