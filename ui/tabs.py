"""The tabs of the pages: their names, their order, and the links that open them.

``/#documents`` and ``/?tab=documents`` open a tab; what follows a slash, as in ``/#documents/ID``, is for the tab itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr

from doyen.ui.adapters_tab import build_adapters_tab
from doyen.ui.annotate_tab import build_annotate_tab
from doyen.ui.chat_tab import build_chat_tab
from doyen.ui.documents_tab import build_documents_tab
from doyen.ui.evaluation_tab import build_evaluation_tab
from doyen.ui.jobs_tab import build_jobs_tab
from doyen.ui.settings_tab import build_settings_tab
from doyen.ui.sign_in import Gateway
from doyen.ui.training_tab import build_training_tab


@dataclass(frozen=True)
class TabEntry:
    """A tab.

    Attributes:
        key: what its link names.
        name: what people read.
        build: lays it out inside the current Blocks context and connects its events; ``tab.select`` happens whenever the
            tab is opened, also by its link.
    """

    key: str
    name: str
    build: Callable[[Gateway, gr.Tab], None]


TABS = (
    TabEntry("chat", "Chat", build_chat_tab),
    TabEntry("documents", "Documents", build_documents_tab),
    TabEntry("annotate", "Annotate", build_annotate_tab),
    TabEntry("training", "Datasets and training", build_training_tab),
    TabEntry("evaluation", "Evaluation", build_evaluation_tab),
    TabEntry("adapters", "Adapters", build_adapters_tab),
    TabEntry("jobs", "Jobs", build_jobs_tab),
    TabEntry("settings", "Settings", build_settings_tab),
)
"""In the order in which they are shown. The first one is open at first."""

# The page's address names the open tab, so that a reload, a bookmark and the Back button lead to it. The first tab's event,
# which comes by itself while the page is built, writes nothing: by then that tab may not be the open one any more.
_FOLLOW_LINKS = """() => {
  const known = %s;
  const open = () => {
    const [key] = (location.hash.slice(1) || new URLSearchParams(location.search).get('tab') || known[0]).split('/');
    if (!known.includes(key)) return;
    const buttons = [...document.querySelectorAll(`[id="tab-${key}-button"]`)];
    const button = buttons.find((each) => each.checkVisibility()) ?? buttons[0];
    if (button && button.getAttribute('aria-selected') !== 'true') button.click();
  };
  window.addEventListener('hashchange', open);
  open();
  window.doyenFollows = true;
}"""
_NAME_IN_ADDRESS = """() => requestAnimationFrame(() => {
  const tab = document.querySelector('[role=tab][aria-selected=true]');
  const open = tab?.id === 'tab-%s-button';
  if (open) tab.scrollIntoView({ block: 'nearest', inline: 'center' });
  if (window.doyenFollows && open && location.hash.slice(1).split('/')[0] !== '%s') location.hash = '%s';
})"""


def build_tabs(gateway: Gateway, demo: gr.Blocks) -> None:
    """Lay out all tabs inside the current Blocks context, and let the page's address name the open one."""
    with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
        for entry in TABS:
            with gr.Tab(entry.name, id=entry.key, elem_id=f"tab-{entry.key}") as tab:
                entry.build(gateway, tab)
            tab.select(None, None, None, js=_NAME_IN_ADDRESS.replace("%s", entry.key), api_visibility="private")
    demo.load(None, None, None, js=_FOLLOW_LINKS % json.dumps([entry.key for entry in TABS]), api_visibility="private")
