"""The chat tab: ask, watch the answer come, read what it rests on, say whether it is right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from doyen.core.answers import Answer, Extract
from doyen.core.modes import ADAPTER_MODES, BEST
from doyen.ui.conversation import Conversation, Exchange, answer_at, last_answered, messages_for, restore, save
from doyen.ui.gateway_client import GatewayClient, GatewayError, PageImages
from doyen.ui.markup import MODE_LABELS, banner, conversation_html, passages_panel
from doyen.ui.sign_in import Gateway
from doyen.ui.stopping import Running, Stopped, until

DEFAULT_ADAPTER = ""
STOPPED = "You stopped this answer."
PROMOTED_LABEL = "the promoted one"
# A click or Enter on an answer tells the server which one.
ON_CHOICE = """const choose = (event) => {
  const reply = event.target.closest('[data-index]');
  if (!reply || (event.type !== 'click' && event.key !== 'Enter')) return;
  window.doyenChosen = true;
  trigger('click', { index: Number(reply.dataset.index) });
};
element.addEventListener('click', choose);
element.addEventListener('keydown', choose);"""
# The question leaves its box at once, so that nothing typed afterwards is lost. While an answer comes it waits there; where
# that answer was just stopped, until it has ended, however long that takes, and a second click meanwhile asks nothing.
# What is asked carries the time, so that the same question asked again is a change.
TAKE_QUESTION = """async (question, asked) => {
  const coming = () => document.querySelector('#chat .doyen-coming');
  if (window.doyenTaking || !question.trim()) return [question, asked];
  window.doyenTaking = true;
  while (window.doyenStopping && coming()) await new Promise((go) => setTimeout(go, 30));
  window.doyenStopping = window.doyenTaking = false;
  if (coming()) return [question, asked];
  window.doyenChosen = false;
  const now = document.querySelector('#question textarea').value;
  return [now === question ? '' : now, `${Date.now()} ${question}`];
}"""
MARK_STOPPING = "() => { window.doyenStopping = true; }"
ASK_CHOSEN = "(done, shown, correction) => [done, shown, correction, Boolean(window.doyenChosen)]"
# Who signs in after somebody else in one tab does not see what that person was answered.
_KEPT = "'doyen-conversation ' + (window.gradio_config.username || '')"
KEEP = f"(saved) => sessionStorage.setItem({_KEPT}, saved)"
FETCH_KEPT = f"() => sessionStorage.getItem({_KEPT})"
_UNCHANGED = tuple(gr.skip() for _ in range(5))
"""The values of ``_Parts.aside`` that leave it as it is."""


@dataclass(frozen=True)
class _Parts:
    """The components that the events of this tab read and write.

    Attributes:
        asked: the question on its way from its box to the gateway, after the time in milliseconds and a blank.
        saved: the conversation on its way to and from the browser's storage.
        chosen: whether the reader chose an answer to look at since the last question.
        conversation: the exchanges, oldest first: one list that the page's events change in place, so that a question that
            waited for the end of an answer sees how it ended.
        shown: place in the conversation of the answer whose passages are shown, and which feedback is about.
    """

    mode: gr.Radio
    adapter: gr.Dropdown
    chat: gr.HTML
    question: gr.Textbox
    ask: gr.Button
    stop: gr.Button
    clear: gr.Button
    panel: gr.HTML
    feedback: gr.Column
    up: gr.Button
    down: gr.Button
    correction: gr.Textbox
    send: gr.Button
    thanks: gr.HTML
    asked: gr.Textbox
    saved: gr.Textbox
    chosen: gr.Checkbox
    conversation: gr.State
    shown: gr.State

    @property
    def dialogue(self) -> list[Any]:
        """What changes with the conversation: the values of `_dialogue`."""
        return [self.conversation, self.chat, self.saved]

    @property
    def aside(self) -> list[Any]:
        """What belongs to the answer that is shown: the values of `show_answer`."""
        return [self.shown, self.panel, self.feedback, self.correction, self.thanks]


def build_chat_tab(gateway: Gateway, tab: gr.Tab) -> None:
    """Lay out the tab inside the current Blocks context and connect its events."""
    page = tab.parent.parent
    parts = _lay_out()
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    _connect_asking(gateway, parts, options)
    _connect_feedback(gateway, parts, options)
    parts.mode.change(lambda mode: gr.update(interactive=mode in ADAPTER_MODES), [parts.mode], [parts.adapter], **options)
    page.load(gateway.with_client(choices), None, [parts.adapter], **options)
    page.load(gateway.with_client(best_note), None, [parts.mode], **options)
    restored = page.load(_restored, [parts.saved], parts.dialogue, js=FETCH_KEPT, **options)
    restored.then(lambda done: show_answer(done, last_answered(done)), [parts.conversation], parts.aside, **options)


def _connect_asking(gateway: Gateway, parts: _Parts, options: dict[str, Any]) -> None:
    """Connect asking, stopping and beginning anew."""
    running = Running()

    async def ask(
        asked: str,
        done: Conversation,
        mode: str,
        adapter: str,
        shown: int | None,
        correction: str,
        request: gr.Request,
    ) -> AsyncIterator[tuple[Any, ...]]:
        aside = _UNCHANGED if is_correcting(shown, correction) else show_answer([], None)
        async with running.answering(str(request.session_hash)) as stop:
            question = asked.partition(" ")[2].strip()
            async for dialogue in answer_question(gateway.client(request), question, done, mode, adapter, stop):
                yield *dialogue, *aside
                aside = _UNCHANGED

    async def stop(request: gr.Request) -> None:
        await running.stop(str(request.session_hash))

    async def begin_anew(done: Conversation, request: gr.Request) -> tuple[Any, ...]:
        await stop(request)
        done.clear()
        return *_dialogue(done), *show_answer(done, None)

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
        [parts.asked, parts.conversation, parts.mode, parts.adapter, parts.shown, parts.correction],
        [*parts.dialogue, *parts.aside],
        trigger_mode="multiple",
        **options,
    )
    newest = [parts.conversation, parts.shown, parts.correction, parts.chosen]
    asked.then(show_newest, newest, parts.aside, js=ASK_CHOSEN, trigger_mode="multiple", **options)
    parts.saved.change(None, [parts.saved], None, js=KEEP, **options)
    parts.stop.click(stop, None, None, js=MARK_STOPPING, queue=False, **options)
    parts.clear.click(begin_anew, [parts.conversation], [*parts.dialogue, *parts.aside], js=MARK_STOPPING, **options)


def _connect_feedback(gateway: Gateway, parts: _Parts, options: dict[str, Any]) -> None:
    """Connect choosing an answer and saying what it was worth."""

    def choose(done: Conversation, event: gr.EventData) -> tuple[Any, ...]:
        return show_answer(done, int(event.index))

    about = [parts.conversation, parts.shown]
    parts.chat.click(choose, [parts.conversation], parts.aside, **options)
    by = gateway.with_client
    parts.up.click(by(lambda client, done, shown: rate(client, done, shown, 1)), about, [parts.thanks], **options)
    parts.down.click(by(lambda client, done, shown: rate(client, done, shown, -1)), about, [parts.thanks], **options)
    parts.send.click(
        by(correct),
        [*about, parts.correction],
        [parts.thanks, parts.correction],
        **options,
    )


def _lay_out() -> _Parts:
    """Place the components and return those that events need."""
    with gr.Row(elem_classes="doyen-pickers"):
        mode = gr.Radio(
            [(label, value) for value, label in MODE_LABELS.items()],
            value=BEST,
            label="Answer with",
            scale=3,
            elem_id="mode",
        )
        adapter = gr.Dropdown(
            [(PROMOTED_LABEL, DEFAULT_ADAPTER)],
            value=DEFAULT_ADAPTER,
            label="Adapter",
            scale=1,
            interactive=False,
            elem_id="adapter",
        )
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=420):
            chat = gr.HTML(conversation_html([]), elem_id="chat", autoscroll=True, js_on_load=ON_CHOICE)
            with gr.Row(elem_classes="doyen-ask"):
                question = gr.Textbox(
                    placeholder="Ask a question about your documents",
                    show_label=False,
                    container=False,
                    lines=1,
                    max_lines=6,
                    scale=8,
                    autofocus=True,
                    elem_id="question",
                )
                ask = gr.Button("Ask", variant="primary", scale=1, min_width=80, elem_id="ask")
                stop = gr.Button("Stop", scale=1, min_width=70, elem_id="stop")
                clear = gr.Button("New chat", scale=1, min_width=90, elem_id="clear")
        with gr.Column(scale=4, min_width=360):
            panel = gr.HTML(passages_panel(None), elem_id="passages")
            with gr.Column(visible=False, elem_id="feedback", elem_classes="doyen-feedback") as feedback:
                with gr.Row():
                    up = gr.Button("Right", elem_id="up", size="sm", elem_classes="doyen-thumb")
                    down = gr.Button("Wrong", elem_id="down", size="sm", elem_classes="doyen-thumb")
                correction = gr.Textbox(
                    label="What the answer should have been",
                    lines=2,
                    max_lines=8,
                    elem_id="correction",
                    placeholder="Write the right answer; it becomes a task for annotation",
                )
                send = gr.Button("Send correction", size="sm", elem_id="send")
                thanks = gr.HTML(elem_id="thanks")
    return _Parts(
        mode=mode,
        adapter=adapter,
        chat=chat,
        question=question,
        ask=ask,
        stop=stop,
        clear=clear,
        panel=panel,
        feedback=feedback,
        up=up,
        down=down,
        correction=correction,
        send=send,
        thanks=thanks,
        asked=gr.Textbox(visible="hidden"),
        saved=gr.Textbox(visible="hidden"),
        chosen=gr.Checkbox(visible="hidden"),
        conversation=gr.State([]),
        shown=gr.State(None),
    )


async def answer_question(
    client: GatewayClient, question: str, done: Conversation, mode: str, adapter: str, stop: asyncio.Event
) -> AsyncIterator[tuple[Any, ...]]:
    """Add the question to the conversation and yield what the page shows while its answer comes: ``_Parts.dialogue``."""
    messages = messages_for(question, done)
    done.append(Exchange(question))
    yield _dialogue(done)
    text, extract = "", None
    try:
        async for piece in until(stop, client.ask(messages, model_name(mode, adapter))):
            if isinstance(piece, Answer):
                done[-1] = Exchange(question, answer=piece)
                continue
            if isinstance(piece, PageImages):
                done[-1] = replace(done[-1], page_images=piece.paths)
                continue
            if isinstance(piece, Extract):
                extract = piece
            else:
                text += piece
            yield gr.skip(), conversation_html(done, text, extract), gr.skip()
    except Stopped:
        done[-1] = Exchange(question, problem=STOPPED)
    except GatewayError as error:
        done[-1] = Exchange(question, problem=str(error))
    yield _dialogue(done)


def _dialogue(done: Conversation) -> tuple[Conversation, str, str]:
    """Return the values of ``_Parts.dialogue``."""
    return done, conversation_html(done), save(done)


def show_answer(done: Conversation, index: int | None) -> tuple[Any, ...]:
    """Return the values of ``_Parts.aside`` for the answer at a place of the conversation."""
    answer = answer_at(done, index)
    panel = passages_panel(done[index] if answer and index is not None else None)
    return index if answer else None, panel, gr.update(visible=answer is not None), "", ""


def is_correcting(shown: int | None, correction: str) -> bool:
    """Whether a correction of the shown answer is being written."""
    return shown is not None and bool(correction.strip())


def show_newest(done: Conversation, shown: int | None, correction: str, chosen: bool) -> tuple[Any, ...]:
    """Show the newest answer, unless another was chosen since its question or a correction of another is being written."""
    if chosen or is_correcting(shown, correction):
        return _UNCHANGED
    return show_answer(done, len(done) - 1)


def _restored(saved: str | None) -> tuple[Conversation, str, str]:
    return _dialogue(restore(saved))


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


def rate(client: GatewayClient, done: Sequence[Exchange], shown: int | None, rating: int) -> str:
    """Store a thumb on the shown answer and return what to say."""
    said = "Thank you: noted as right." if rating > 0 else "Noted as wrong. What would be right?"
    return _give(client, done, shown, rating, "", said)


def correct(client: GatewayClient, done: Sequence[Exchange], shown: int | None, text: str) -> tuple[str, Any]:
    """Store a correction of the shown answer; return what to say, and the box, emptied when it was stored."""
    if not text.strip():
        return banner("Write the right answer first."), gr.skip()
    said = _give(client, done, shown, -1, text, "Thank you: the correction is stored.")
    return said, "" if "doyen-green" in said else gr.skip()


def best_note(client: GatewayClient) -> Any:
    """Return the mode picker with a line that says what "best" stands for now, and why."""
    try:
        best = client.best()
    except GatewayError:
        return gr.skip()
    return gr.update(info=f"{MODE_LABELS['best']} is now “{MODE_LABELS.get(best['mode'], best['mode'])}”: {best['reason']}.")


def _give(client: GatewayClient, done: Sequence[Exchange], shown: int | None, rating: int, correction: str, said: str) -> str:
    answer = answer_at(done, shown)
    if answer is None:
        return banner("There is no answer to rate yet.")
    try:
        client.give_feedback(answer.answer_id, rating, correction)
    except GatewayError as error:
        return banner(str(error), "red")
    return banner(said, "green")
