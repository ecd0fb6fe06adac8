"""The components of the chat tab, and what the browser does with them by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from doyen.core.modes import BEST
from doyen.ui.markup import MODE_LABELS, conversation_html, passages_panel

DEFAULT_ADAPTER = ""
ALONE = ""
"""Stands for no second mode."""
PROMOTED_LABEL = "the one in production"
PROMOTED_MEANING = "The version that is in production at the moment you ask."
WRONGS = ("Not true", "Not what I asked", "Incomplete", "Wrong or outdated source", "Should have been refused")
# The question leaves its box at once, so that nothing typed afterwards is lost. While an answer comes it waits there; where
# that answer was just stopped, until it has ended, however long that takes, and a second click meanwhile asks nothing.
# What is asked carries the time, so that the same question asked again is a change, and from which question on it replaces
# the conversation, where it is one that was asked again or edited.
TAKE_QUESTION = """async (question, asked) => {
  const coming = () => document.querySelector('#chat .doyen-coming');
  if (window.doyenTaking || !question.trim()) return [question, asked];
  window.doyenTaking = true;
  while (window.doyenStopping && coming()) await new Promise((go) => setTimeout(go, 30));
  window.doyenStopping = window.doyenTaking = false;
  if (coming()) return [question, asked];
  window.doyenChosen = false;
  const from = window.doyenFrom ?? '';
  window.doyenFrom = undefined;
  const now = document.querySelector('#question textarea').value;
  return [now === question ? '' : now, `${Date.now()}@${from} ${question}`];
}"""
MARK_STOPPING = "() => { window.doyenStopping = true; window.doyenFrom = undefined; }"
ASK_CHOSEN = "(done, shown, correction) => [done, shown, correction, Boolean(window.doyenChosen)]"
# Who signs in after somebody else in one tab does not see what that person was answered.
_KEPT = "'doyen-conversation ' + (window.gradio_config.username || '')"
KEEP = f"(saved) => sessionStorage.setItem({_KEPT}, saved)"
FETCH_KEPT = f"() => sessionStorage.getItem({_KEPT})"
KEEP_WAY = "(mode, beside) => sessionStorage.setItem('doyen-way', JSON.stringify([mode, beside]))"
FETCH_WAY = "() => sessionStorage.getItem('doyen-way') ?? ''"
SAVE_FILE = """(text) => {
  const link = document.createElement('a');
  link.download = text.startsWith('[') ? 'conversation.json' : 'conversation.md';
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}"""


@dataclass(frozen=True)
class ChatParts:
    """The components that the events of this tab read and write.

    Attributes:
        beside: the mode that answers beside the first one.
        why: what led to the answer that is shown, fetched when it is unfolded.
        asked: the question on its way from its box to the gateway, after the time in milliseconds, "@", the question from
            which on it replaces the conversation, if any, and a blank.
        saved: the conversation on its way to and from the browser's storage.
        exported: the conversation on its way to a file.
        way: the chosen modes on their way from the browser's storage.
        chosen: whether the reader chose an answer to look at since the last question.
        conversation: the exchanges, oldest first: one list that the page's events change in place, so that a question that
            waited for the end of an answer sees how it ended.
        shown: place in the conversation of the answer whose passages are shown, and which feedback is about.
    """

    mode: gr.Radio
    adapter: gr.Dropdown
    beside: gr.Dropdown
    chat: gr.HTML
    question: gr.Textbox
    ask: gr.Button
    stop: gr.Button
    clear: gr.Button
    as_markdown: gr.Button
    as_json: gr.Button
    panel: gr.HTML
    explain: gr.Accordion
    why: gr.HTML
    feedback: gr.Column
    up: gr.Button
    down: gr.Button
    wrong: gr.Radio
    correction: gr.Textbox
    send: gr.Button
    thanks: gr.HTML
    asked: gr.Textbox
    saved: gr.Textbox
    exported: gr.Textbox
    way: gr.Textbox
    chosen: gr.Checkbox
    conversation: gr.State
    shown: gr.State

    @property
    def dialogue(self) -> list[Any]:
        """What changes with the conversation: the values of `dialogue`."""
        return [self.conversation, self.chat, self.saved]

    @property
    def aside(self) -> list[Any]:
        """What belongs to the answer that is shown: the values of `show_answer`."""
        return [self.shown, self.panel, self.feedback, self.correction, self.thanks, self.wrong, self.explain, self.why]


UNCHANGED = tuple(gr.skip() for _ in range(8))
"""The values of ``ChatParts.aside`` that leave it as it is."""


def lay_out() -> ChatParts:
    """Place the components and return those that events need."""
    with gr.Row(elem_classes="doyen-pickers"):
        modes = [(label, value) for value, label in MODE_LABELS.items()]
        mode = gr.Radio(modes, value=BEST, label="Answer with", scale=8, min_width=320, elem_id="mode")
        adapter = gr.Dropdown(
            [(PROMOTED_LABEL, DEFAULT_ADAPTER)],
            value=DEFAULT_ADAPTER,
            label="Adapter",
            info="For modes with an adapter.",
            scale=2,
            min_width=170,
            interactive=False,
            elem_id="adapter",
        )
        beside = gr.Dropdown(
            [("nothing", ALONE), *modes],
            value=ALONE,
            label="Compare with",
            info="A second answer beside it.",
            scale=2,
            min_width=170,
            elem_id="beside",
        )
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            script = (Path(__file__).parent / "chat.js").read_text(encoding="utf-8")
            chat = gr.HTML(conversation_html([]), elem_id="chat", autoscroll=True, js_on_load=script)
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
            with gr.Row(elem_classes="doyen-save"):
                as_markdown = gr.Button("Save as Markdown", size="sm", min_width=150, elem_id="save-markdown")
                as_json = gr.Button("Save as JSON", size="sm", min_width=120, elem_id="save-json")
        with gr.Column(scale=4, min_width=320):
            panel = gr.HTML(passages_panel(None), elem_id="passages")
            with gr.Column(visible=False, elem_id="feedback", elem_classes="doyen-feedback") as feedback:
                with gr.Accordion("Why this answer", open=False, elem_id="explain") as explain:
                    why = gr.HTML(elem_id="why")
                with gr.Row():
                    up = gr.Button("Right", elem_id="up", size="sm", elem_classes="doyen-thumb")
                    down = gr.Button("Wrong", elem_id="down", size="sm", elem_classes="doyen-thumb")
                wrong = gr.Radio(list(WRONGS), label="What is wrong with it?", visible=False, elem_id="wrong")
                correction = gr.Textbox(
                    label="What the answer should have been",
                    lines=2,
                    max_lines=8,
                    elem_id="correction",
                    placeholder="Write the right answer; it becomes a task for annotation",
                )
                send = gr.Button("Send correction", size="sm", elem_id="send")
                thanks = gr.HTML(elem_id="thanks")
    return ChatParts(
        mode=mode,
        adapter=adapter,
        beside=beside,
        chat=chat,
        question=question,
        ask=ask,
        stop=stop,
        clear=clear,
        as_markdown=as_markdown,
        as_json=as_json,
        panel=panel,
        explain=explain,
        why=why,
        feedback=feedback,
        up=up,
        down=down,
        wrong=wrong,
        correction=correction,
        send=send,
        thanks=thanks,
        asked=gr.Textbox(visible="hidden"),
        saved=gr.Textbox(visible="hidden"),
        exported=gr.Textbox(visible="hidden"),
        way=gr.Textbox(visible="hidden"),
        chosen=gr.Checkbox(visible="hidden"),
        conversation=gr.State([]),
        shown=gr.State(None),
    )
