"""The chat tab: ask, watch the answer come, read what it rests on, say whether it is right."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import gradio as gr

from doyen.core.modes import ADAPTER_MODES, BEST
from doyen.ui.answering import answer_question, dialogue
from doyen.ui.chat_parts import (
    ALONE,
    ASK_CHOSEN,
    DEFAULT_ADAPTER,
    FETCH_KEPT,
    FETCH_WAY,
    KEEP,
    KEEP_WAY,
    MARK_STOPPING,
    PROMOTED_LABEL,
    PROMOTED_MEANING,
    SAVE_FILE,
    TAKE_QUESTION,
    UNCHANGED,
    ChatParts,
    lay_out,
)
from doyen.ui.conversation import Conversation, Exchange, answer_at, exchange_at, last_answered, restore, save, to_markdown
from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.markup import MODE_LABELS, MODE_MEANINGS, banner, passages_panel
from doyen.ui.sign_in import Gateway
from doyen.ui.stopping import Running
from doyen.ui.why_panel import why_html


def build_chat_tab(gateway: Gateway, tab: gr.Tab) -> None:
    """Lay out the tab inside the current Blocks context and connect its events."""
    page = tab.parent.parent
    parts = lay_out()
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    _connect_asking(gateway, parts, options)
    _connect_aside(gateway, parts, options)
    _connect_pickers(gateway, page, parts, options)
    restored = page.load(_restored, [parts.saved], parts.dialogue, js=FETCH_KEPT, **options)
    restored.then(lambda done: show_answer(done, last_answered(done)), [parts.conversation], parts.aside, **options)


def _connect_asking(gateway: Gateway, parts: ChatParts, options: dict[str, Any]) -> None:
    """Connect asking, stopping, beginning anew and saving."""
    running = Running()

    async def ask(
        asked: str,
        done: Conversation,
        mode: str,
        adapter: str,
        beside: str,
        shown: int | None,
        correction: str,
        request: gr.Request,
    ) -> AsyncIterator[tuple[Any, ...]]:
        aside = UNCHANGED if is_correcting(shown, correction) else show_answer([], None)
        async with running.answering(str(request.session_hash)) as stop:
            question, start = parse_asked(asked)
            if start is not None:
                del done[start:]
            models = [model_name(each, adapter) for each in (mode, beside) if each]
            async for shown_dialogue in answer_question(gateway.client(request), question, done, models, stop):
                yield *shown_dialogue, *aside
                aside = UNCHANGED

    async def stop(request: gr.Request) -> None:
        await running.stop(str(request.session_hash))

    async def begin_anew(done: Conversation, request: gr.Request) -> tuple[Any, ...]:
        await stop(request)
        done.clear()
        return *dialogue(done), *show_answer(done, None)

    gr.on(
        [parts.question.submit, parts.ask.click],
        None,
        [parts.question, parts.asked],
        [parts.question, parts.asked],
        js=TAKE_QUESTION,
        **options,
    )
    # The browser may hold the last question's event for pending after its answer has ended; by default it would drop this one.
    asked = parts.asked.change(
        ask,
        [parts.asked, parts.conversation, parts.mode, parts.adapter, parts.beside, parts.shown, parts.correction],
        [*parts.dialogue, *parts.aside],
        trigger_mode="multiple",
        **options,
    )
    newest = [parts.conversation, parts.shown, parts.correction, parts.chosen]
    asked.then(show_newest, newest, parts.aside, js=ASK_CHOSEN, trigger_mode="multiple", **options)
    parts.saved.change(None, [parts.saved], None, js=KEEP, **options)
    parts.stop.click(stop, None, None, js=MARK_STOPPING, queue=False, **options)
    parts.clear.click(begin_anew, [parts.conversation], [*parts.dialogue, *parts.aside], js=MARK_STOPPING, **options)
    for button, written in ((parts.as_markdown, to_markdown), (parts.as_json, save)):
        saved = button.click(written, [parts.conversation], [parts.exported], **options)
        saved.then(None, [parts.exported], None, js=SAVE_FILE, **options)


def _connect_aside(gateway: Gateway, parts: ChatParts, options: dict[str, Any]) -> None:
    """Connect choosing an answer, asking why it is what it is, and saying what it was worth."""

    def choose(done: Conversation, event: gr.EventData) -> tuple[Any, ...]:
        return show_answer(done, int(event.index))

    def rate_wrong(client: GatewayClient, done: Conversation, shown: int | None) -> tuple[str, Any]:
        said = rate(client, done, shown, -1)
        return said, gr.update(visible="doyen-green" in said)

    about = [parts.conversation, parts.shown]
    parts.chat.click(choose, [parts.conversation], parts.aside, **options)
    by = gateway.with_client
    parts.explain.expand(by(explain), about, [parts.why], **options)
    parts.up.click(by(lambda client, done, shown: rate(client, done, shown, 1)), about, [parts.thanks], **options)
    parts.down.click(by(rate_wrong), about, [parts.thanks, parts.wrong], **options)
    parts.wrong.input(by(give_reason), [*about, parts.wrong], [parts.thanks], **options)
    parts.send.click(
        by(correct),
        [*about, parts.correction],
        [parts.thanks, parts.correction],
        **options,
    )


def _connect_pickers(gateway: Gateway, page: Any, parts: ChatParts, options: dict[str, Any]) -> None:
    """Connect choosing how to answer: each choice says what it means, and stays over a reload."""
    by = gateway.with_client
    ways = [parts.mode, parts.beside]
    page.load(by(choices), None, [parts.adapter], **options)
    restored = page.load(_restored_way, [parts.way], ways, js=FETCH_WAY, **options)
    restored.then(by(mode_note), [parts.mode], [parts.mode], **options)
    gr.on(
        [parts.mode.change, parts.beside.change],
        lambda mode, beside: gr.update(interactive=bool({mode, beside} & ADAPTER_MODES)),
        ways,
        [parts.adapter],
        **options,
    )
    parts.mode.input(by(mode_note), [parts.mode], [parts.mode], **options)
    gr.on([parts.mode.input, parts.beside.input], None, ways, None, js=KEEP_WAY, **options)
    parts.adapter.input(by(adapter_note), [parts.adapter], [parts.adapter], **options)


def parse_asked(asked: str) -> tuple[str, int | None]:
    """Return the question of ``ChatParts.asked``, and from which place on it replaces the conversation, if it does."""
    head, _, question = asked.partition(" ")
    start = head.partition("@")[2]
    return question.strip(), int(start) if start.isdecimal() else None


def show_answer(done: Conversation, place: int | None) -> tuple[Any, ...]:
    """Return the values of ``ChatParts.aside`` for the answer at a place of the conversation."""
    answer = answer_at(done, place)
    panel = passages_panel(exchange_at(done, place) if answer else None)
    reason = gr.update(visible=False, value=None)
    return place if answer else None, panel, gr.update(visible=answer is not None), "", "", reason, gr.update(open=False), ""


def is_correcting(shown: int | None, correction: str) -> bool:
    """Whether a correction of the shown answer is being written."""
    return shown is not None and bool(correction.strip())


def show_newest(done: Conversation, shown: int | None, correction: str, chosen: bool) -> tuple[Any, ...]:
    """Show the newest answer, unless another was chosen since its question or a correction of another is being written."""
    if chosen or is_correcting(shown, correction):
        return UNCHANGED
    return show_answer(done, len(done) - 1)


def _restored(saved: str | None) -> tuple[Conversation, str, str]:
    return dialogue(restore(saved))


def _restored_way(way: str | None) -> tuple[Any, Any]:
    """Return the modes that were chosen before a reload; what nobody could have chosen changes nothing."""
    try:
        mode, beside = json.loads(way or "")
    except (ValueError, TypeError):
        return gr.skip(), gr.skip()
    known = mode in MODE_LABELS and beside in {ALONE, *MODE_LABELS}
    return (mode, beside) if known else (gr.skip(), gr.skip())


def model_name(mode: str, adapter: str) -> str:
    """Return the gateway's name for a mode and an adapter ("name:version", or empty for the promoted one)."""
    return f"{mode}@{adapter}" if adapter and mode in ADAPTER_MODES else mode


def choices(client: GatewayClient) -> Any:
    """Return the adapter picker's choices; the page is useful without them."""
    try:
        generators = [item for item in client.adapters() if item["kind"] == "generator"]
        found = [(f"{item['id']} ({item['stage']})", item["id"]) for item in generators]
    except GatewayError:
        found = []
    return gr.update(choices=[(PROMOTED_LABEL, DEFAULT_ADAPTER), *found])


def mode_note(client: GatewayClient, mode: str) -> Any:
    """Return the mode picker with a line that says what the chosen mode means; of "best", what it stands for now, and why."""
    if mode != BEST:
        return gr.update(info=MODE_MEANINGS.get(mode, ""))
    try:
        best = client.best()
    except GatewayError:
        return gr.skip()
    return gr.update(info=f"{MODE_LABELS['best']} is now “{MODE_LABELS.get(best['mode'], best['mode'])}”: {best['reason']}.")


def adapter_note(client: GatewayClient, adapter: str) -> Any:
    """Return the adapter picker with a line that says where the chosen one comes from."""
    if adapter == DEFAULT_ADAPTER:
        return gr.update(info=PROMOTED_MEANING)
    try:
        found = next((item for item in client.adapters() if item["id"] == adapter), None)
    except GatewayError:
        return gr.skip()
    if found is None:
        return gr.update(info="This adapter is gone: choose another.")
    return gr.update(info=f"{found['stage'].capitalize()}, trained {found['created_at'][:10]} on {found['dataset_id'][:24]}.")


def explain(client: GatewayClient, done: Sequence[Exchange], shown: int | None) -> str:
    """Return what led to the shown answer."""
    answer = answer_at(done, shown)
    if answer is None:
        return ""
    try:
        return why_html(client.explain(answer.answer_id), answer)
    except GatewayError as error:
        return banner(str(error), "red")


def rate(client: GatewayClient, done: Sequence[Exchange], shown: int | None, rating: int) -> str:
    """Store a thumb on the shown answer and return what to say."""
    said = "Thank you: noted as right." if rating > 0 else "Noted as wrong. What would be right?"
    return _give(client, done, shown, said, rating=rating)


def give_reason(client: GatewayClient, done: Sequence[Exchange], shown: int | None, reason: str | None) -> str:
    """Store what is wrong with the shown answer and return what to say."""
    return _give(client, done, shown, "Thank you: the reason is noted.", comment=reason) if reason else ""


def correct(client: GatewayClient, done: Sequence[Exchange], shown: int | None, text: str) -> tuple[str, Any]:
    """Store a correction of the shown answer; return what to say, and the box, emptied when it was stored."""
    if not text.strip():
        return banner("Write the right answer first."), gr.skip()
    said = _give(client, done, shown, "Thank you: the correction is stored.", rating=-1, correction=text)
    return said, "" if "doyen-green" in said else gr.skip()


def _give(client: GatewayClient, done: Sequence[Exchange], shown: int | None, said: str, **feedback: Any) -> str:
    answer = answer_at(done, shown)
    if answer is None:
        return banner("There is no answer to rate yet.")
    try:
        client.give_feedback(answer.answer_id, **feedback)
    except GatewayError as error:
        return banner(str(error), "red")
    return banner(said, "green")
