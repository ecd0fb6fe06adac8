"""The chat tab: ask, watch the answer come, read what it rests on, say whether it is right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from doyen.ui.client import GatewayClient, GatewayError
from doyen.ui.render import MODE_LABELS, Exchange, banner, conversation_html, passages_panel

DEFAULT_MODE = "rag"
DEFAULT_ADAPTER = ""
STOPPED = "You stopped this answer."
PROMOTED_LABEL = "the promoted one"
# A click or Enter on an answer tells the server which one.
ON_CHOICE = """const choose = (event) => {
  const reply = event.target.closest('[data-index]');
  if (reply && (event.type === 'click' || event.key === 'Enter')) trigger('click', { index: Number(reply.dataset.index) });
};
element.addEventListener('click', choose);
element.addEventListener('keydown', choose);"""

Conversation = list[Exchange]


@dataclass(frozen=True)
class _Parts:
    """The components that the events of this tab read and write."""

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


def build_chat_tab(client: GatewayClient, demo: gr.Blocks) -> None:
    """Lay out the tab inside the current Blocks context and connect its events."""
    conversation = gr.State([])
    parts = _lay_out()
    outputs = [conversation, parts.chat, parts.question, parts.panel, parts.feedback, parts.correction, parts.thanks]

    def ask(question: str, done: Conversation, mode: str, adapter: str) -> Iterator[tuple[Any, ...]]:
        yield from answer_question(client, question, done, mode, adapter)

    def show(done: Conversation, event: gr.EventData) -> str:
        """Show the passages of the answer that was clicked."""
        index = int(event.index)
        return passages_panel(done[index].answer if index < len(done) else None)

    inputs = [parts.question, conversation, parts.mode, parts.adapter]
    options: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    asked = gr.on([parts.question.submit, parts.ask.click], ask, inputs, outputs, **options)
    # Not through the queue, whose stream the cancelling may just be closing: the reply would be lost with it.
    parts.stop.click(_stopped, [conversation], outputs, cancels=[asked], queue=False, **options)
    parts.clear.click(_fresh, None, outputs, cancels=[asked], queue=False, **options)
    parts.chat.click(show, [conversation], [parts.panel], **options)
    parts.up.click(lambda done: rate(client, done, 1), [conversation], [parts.thanks], **options)
    parts.down.click(lambda done: rate(client, done, -1), [conversation], [parts.thanks], **options)
    parts.send.click(
        lambda done, text: correct(client, done, text),
        [conversation, parts.correction],
        [parts.thanks, parts.correction],
        **options,
    )
    parts.mode.change(
        lambda mode: gr.update(interactive=mode in {"finetune", "hybrid"}), [parts.mode], [parts.adapter], **options
    )
    demo.load(lambda: choices(client), None, [parts.adapter], **options)


def _lay_out() -> _Parts:
    """Place the components and return those that events need."""
    with gr.Row(elem_classes="doyen-pickers"):
        mode = gr.Radio(
            [(label, value) for value, label in MODE_LABELS.items()],
            value=DEFAULT_MODE,
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
    return _Parts(mode, adapter, chat, question, ask, stop, clear, panel, feedback, up, down, correction, send, thanks)


def answer_question(
    client: GatewayClient, question: str, done: Conversation, mode: str, adapter: str
) -> Iterator[tuple[Any, ...]]:
    """Yield what the page shows while an answer comes: values for the outputs of ``build_chat_tab``."""
    question = question.strip()
    if not question:
        yield (done, *(gr.skip() for _ in range(6)))
        return
    current = Exchange(question)
    yield _page([*done, current], "", gr.update(visible=False))
    text = ""
    try:
        for piece in client.ask(messages_for(question, done), model_name(mode, adapter)):
            if isinstance(piece, str):
                text += piece
                yield (gr.skip(), conversation_html([*done, current], text), *(gr.skip() for _ in range(5)))
            else:
                current = replace(current, answer=piece)
    except GatewayError as error:
        current = replace(current, problem=str(error))
    yield _page([*done, current], "", gr.update(visible=current.answer is not None))


def _page(done: Conversation, text: str, feedback: Any) -> tuple[Any, ...]:
    """Return the values of all outputs."""
    return done, conversation_html(done, text), "", passages_panel(done[-1].answer if done else None), feedback, "", ""


def _fresh() -> tuple[Any, ...]:
    return _page([], "", gr.update(visible=False))


def _stopped(done: Conversation) -> tuple[Any, ...]:
    """Close the answer that was coming, if one was."""
    if done and done[-1].answer is None and not done[-1].problem:
        return _page([*done[:-1], replace(done[-1], problem=STOPPED)], "", gr.update(visible=False))
    return tuple(gr.skip() for _ in range(7))


def messages_for(question: str, done: Conversation) -> list[dict[str, str]]:
    """Return the conversation as the gateway takes it; questions without an answer are left out."""
    messages = []
    for exchange in done:
        if exchange.answer is not None:
            messages.append({"role": "user", "content": exchange.question})
            messages.append({"role": "assistant", "content": exchange.answer.text})
    return [*messages, {"role": "user", "content": question}]


def model_name(mode: str, adapter: str) -> str:
    """Return the gateway's name for a mode and an adapter ("name:version", or empty for the promoted one)."""
    return f"{mode}@{adapter}" if adapter and mode in {"finetune", "hybrid"} else mode


def choices(client: GatewayClient) -> Any:
    """Return the adapter picker's choices; the page is useful without them."""
    try:
        found = [(f"{item['id']} ({item['status']})", item["id"]) for item in client.adapters()]
    except GatewayError:
        found = []
    return gr.update(choices=[(PROMOTED_LABEL, DEFAULT_ADAPTER), *found])


def rate(client: GatewayClient, done: Conversation, rating: int) -> str:
    """Store a thumb on the last answer and return what to say."""
    return _give(
        client, done, rating, "", "Thank you: noted as right." if rating > 0 else "Noted as wrong. What would be right?"
    )


def correct(client: GatewayClient, done: Conversation, text: str) -> tuple[str, Any]:
    """Store a correction of the last answer; return what to say, and the box, emptied when it was stored."""
    if not text.strip():
        return banner("Write the right answer first."), gr.skip()
    said = _give(client, done, -1, text, "Thank you: the correction is stored.")
    return said, "" if "doyen-green" in said else gr.skip()


def _give(client: GatewayClient, done: Conversation, rating: int, correction: str, said: str) -> str:
    if not done or done[-1].answer is None:
        return banner("There is no answer to rate yet.")
    try:
        client.give_feedback(done[-1].answer.answer_id, rating, correction)
    except GatewayError as error:
        return banner(str(error), "red")
    return banner(said, "green")
