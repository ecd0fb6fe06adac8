"""Why an answer is what it is, as HTML with everything in it escaped."""

from __future__ import annotations

from html import escape
from typing import Any

from doyen.core.answers import Answer

SIGNALS = {
    "dense": "meaning",
    "dense_rank": "place by meaning",
    "lexical": "words",
    "lexical_rank": "place by words",
    "lexical_share": "share of the question's words",
}
"""Score of a passage → what people read."""
ROLES = {"system": "Instructions", "user": "Earlier question", "assistant": "Earlier answer"}
LAST = "Question, with the passages if there are any"


def why_html(explained: dict[str, Any], answer: Answer) -> str:
    """Return what was searched for, what was found with which scores, and what the model was shown.

    Args:
        explained: of the answer, as the gateway tells it.
    """
    parts = [_facts(explained, answer), _passages(explained["passages"]), _prompt(explained["prompt"], answer)]
    return f"<div class='doyen-panel doyen-why'>{''.join(parts)}</div>"


def _facts(explained: dict[str, Any], answer: Answer) -> str:
    facts = {
        "Searched for": explained["query"] or "nothing",
        "Answered by": " · ".join(filter(None, (explained["mode"], explained["model"], explained["adapter"]))),
        "Chosen because": answer.mode_reason or "",
        "Passages answer it": "" if answer.probability is None else f"probability {answer.probability:.2f}",
        "Time": f"{answer.timings.retrieve_s:.2f} s to find, {answer.timings.total_s:.2f} s in all",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items() if value)
    return f"<dl class='doyen-facts'>{rows}</dl>"


def _passages(passages: list[dict[str, Any]]) -> str:
    if not passages:
        return "<p class='doyen-hint'>It was shown no passages.</p>"
    rows = "".join(
        f"<tr><th>{number}<small>{escape(item['passage']['source'])}</small></th><td>{item['passage']['score']:.3f}</td>"
        f"<td>{_signals(item['signals'])}</td></tr>"
        for number, item in enumerate(passages, start=1)
    )
    head = "<thead><tr><th>Passage</th><th>Score</th><th>Because of</th></tr></thead>"
    return f"<div class='doyen-tables'><table>{head}<tbody>{rows}</tbody></table></div>"


def _signals(signals: dict[str, float]) -> str:
    return "".join(f"<small>{escape(SIGNALS.get(name, name))}: {value:g}</small>" for name, value in signals.items())


def _prompt(prompt: list[dict[str, str]], answer: Answer) -> str:
    if not prompt or not answer.usage.prompt_tokens:
        return "<p class='doyen-hint'>No model was asked.</p>"
    titles = [ROLES.get(message["role"], message["role"]) for message in prompt[:-1]]
    messages = "".join(
        f"<h4>{escape(title)}</h4><pre class='doyen-log' tabindex='0'>{escape(message['content'])}</pre>"
        for title, message in zip([*titles, LAST], prompt, strict=True)
    )
    return f"<details><summary>What the model was shown ({answer.usage.prompt_tokens} tokens)</summary>{messages}</details>"
