"""A job where it was started: begun with a button, followed until it ends, stopped and gone on with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import gradio as gr

from doyen.ui.gateway_client import GatewayClient, GatewayError
from doyen.ui.job_reports import WAITING, job_card
from doyen.ui.markup import banner
from doyen.ui.sign_in import Gateway

POLL_S = 1.0
OPTIONS: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
Work = dict[str, Any] | str
"""What to start (a kind and its arguments), or a sentence that says what is missing."""


class JobPanel:
    """The place of a tab where the job that was started there is shown.

    Args:
        kinds: of jobs that belong here; a running one is followed when the tab is opened.
        extra: HTML to show with a job, such as its loss.

    Attributes:
        ended: the last job that has ended here; ``ended.change`` lets the tab look again at what it changed.
    """

    def __init__(
        self,
        gateway: Gateway,
        name: str,
        kinds: Collection[str],
        extra: Callable[[GatewayClient, dict[str, Any]], str] | None = None,
    ) -> None:
        self._by, self._kinds, self._extra = gateway.with_client, frozenset(kinds), extra
        self.view = gr.HTML(elem_id=f"{name}-job", elem_classes="doyen-job-view")
        with gr.Row(elem_classes="doyen-actions doyen-job-actions"):
            self.stop = gr.Button("Stop", visible=False, size="sm", scale=0, min_width=160, elem_id=f"{name}-stop")
            self.resume = gr.Button("Go on", visible=False, size="sm", scale=0, min_width=160, elem_id=f"{name}-resume")
        self.job, self.ended = gr.State(""), gr.State({})
        self.timer = gr.Timer(POLL_S, active=False)
        self._shown = [self.view, self.job, self.timer, self.stop, self.resume]
        by = self._by
        self.timer.tick(by(self._follow), [self.job, self.ended], [*self._shown, self.ended], **OPTIONS)
        self.stop.click(by(lambda client, job: self._act(client, job, client.cancel_job)), [self.job], self._shown, **OPTIONS)
        self.resume.click(by(lambda client, job: self._act(client, job, client.resume_job)), [self.job], self._shown, **OPTIONS)

    def starts(self, button: gr.Button, work: Callable[..., Work], inputs: Sequence[Any]) -> None:
        """Let a button start what ``work`` makes of the inputs' values."""

        def start(client: GatewayClient, *values: Any) -> tuple[Any, ...]:
            wanted = work(*values)
            if isinstance(wanted, str):
                return self._said(banner(wanted))
            try:
                return self._show(client, client.start_job(wanted))
            except GatewayError as error:
                return self._said(banner(str(error), "red"))

        button.click(self._by(start), list(inputs), self._shown, **OPTIONS)

    def rejoins(self, tab: gr.Tab) -> None:
        """When the tab is opened, for example after a reload, show the newest job of this place's kinds unless it has ended."""

        def rejoin(client: GatewayClient, job: str) -> tuple[Any, ...]:
            try:
                newest = next((each for each in client.jobs() if each["kind"] in self._kinds), None)
            except GatewayError:
                newest = None
            if job or newest is None or newest["state"] in {"done", "failed"}:
                return tuple(gr.skip() for _ in self._shown)
            return self._show(client, newest)

        tab.select(self._by(rejoin), [self.job], self._shown, **OPTIONS)

    def _follow(self, client: GatewayClient, job: str, ended: dict[str, Any]) -> tuple[Any, ...]:
        if not job:
            return *self._said(gr.skip()), ended
        try:
            found = client.job(job)
        except GatewayError as error:
            return *self._said(banner(str(error), "red")), ended
        return *self._show(client, found), ended if found["state"] in WAITING else found

    def _act(self, client: GatewayClient, job: str, action: Callable[[str], dict[str, Any]]) -> tuple[Any, ...]:
        try:
            return self._show(client, action(job))
        except GatewayError as error:
            return self._said(banner(str(error), "red"))

    def _show(self, client: GatewayClient, job: dict[str, Any]) -> tuple[Any, ...]:
        waits = job["state"] in WAITING
        extra = self._extra(client, job) if self._extra else ""
        again = job["state"] in {"failed", "cancelled", "interrupted"}
        buttons = gr.update(visible=waits), gr.update(visible=again)
        return job_card(job, extra), job["id"], gr.Timer(active=waits), *buttons

    @staticmethod
    def _said(view: Any) -> tuple[Any, ...]:
        return view, gr.skip(), gr.Timer(active=False), gr.update(visible=False), gr.update(visible=False)
