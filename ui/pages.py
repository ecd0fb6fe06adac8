"""The pages put together, and served."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from doyen.core.bodies import TOO_LARGE, limited, says_too_much
from doyen.core.connections import server_config
from doyen.core.network import reason_to_refuse
from doyen.ui.gateway_client import GatewayClient, GatewayError

if TYPE_CHECKING:
    import gradio as gr
    from fastapi import FastAPI

    from doyen.ui.sign_in import Gateway

logger = logging.getLogger("doyen.ui")
STYLE = Path(__file__).parent / "style.css"
# Gradio's pages need inline scripts; nothing may be loaded from, or sent to, another server.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' data: blob:; worker-src 'self' blob:; "
    "frame-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
BODY_BYTES = 4_000_000
"""Largest request of a page, but for documents: of these the gateway says how large they may be."""
TOO_MUCH = f"the request's body is larger than {BODY_BYTES / 1e6:.0f} MB: send less"
FILE_ROUTES = ("/upload", "/process_recording")
"""Where Gradio would take files, in any number and of any size; documents go another way (uploads.py)."""
# Light or dark as the system is, until the reader chooses; the choice stays in the browser.
SWITCH_LOOK = """const show = (dark) => {
  document.body.classList.toggle('dark', dark);
  element.querySelector('#look').setAttribute('aria-pressed', dark);
};
const chosen = localStorage.getItem('doyen-look');
show(chosen ? chosen === 'dark' : document.body.classList.contains('dark'));
element.addEventListener('click', (event) => {
  if (!event.target.closest('#look')) return;
  const dark = !document.body.classList.contains('dark');
  localStorage.setItem('doyen-look', dark ? 'dark' : 'light');
  show(dark);
});"""
UPLOAD_PATH = "/send-document"
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def build_chat(gateway: Gateway, title: str = "Doyen") -> gr.Blocks:
    """Return the pages: a header, what the gateway lacks, and the tabs."""
    import gradio as gr

    from doyen.ui.markup import banner, page_header
    from doyen.ui.tabs import build_tabs

    def readiness(client: GatewayClient) -> str:
        try:
            return banner(" ".join(f"{name.capitalize()}: {reason}." for name, reason in client.missing().items()))
        except GatewayError as error:
            return banner(str(error), "red")

    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as demo:
        gr.HTML(page_header(title, gateway.url), js_on_load=SWITCH_LOOK)
        notice = gr.HTML(elem_id="notice")
        build_tabs(gateway, demo)
        demo.load(gateway.with_client(readiness), None, [notice], show_progress="hidden", api_visibility="private")
    demo.queue(default_concurrency_limit=16, max_size=64)
    return demo


def create_ui_app(gateway_url: str, title: str = "Doyen", *, needs_key: bool = False, local_only: bool = True) -> FastAPI:
    """Return the pages as an ASGI application.

    Args:
        gateway_url: base URL of the gateway, without /v1.
        needs_key: whether the gateway has keys: people sign in with theirs, and each asks with their own. Where it gets its
            first one later, the pages ask for it from then on.
        local_only: whether the application will be bound to loopback, so that only names of this machine are answered.
    """
    import gradio as gr
    from fastapi import FastAPI

    from doyen.ui.page_pictures import page_pictures
    from doyen.ui.sign_in import Gateway, SignInCheck
    from doyen.ui.uploads import uploads

    gateway = Gateway(gateway_url, needs_key=needs_key)
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(SignInCheck, gateway=gateway)
    app.add_middleware(PageGuard, local_only=local_only)
    app.include_router(page_pictures(gateway))
    app.include_router(uploads(gateway, UPLOAD_PATH))
    mounted = gr.mount_gradio_app(
        app,
        build_chat(gateway, title),
        path="/",
        auth_message="Sign in with the name of your key as user name, and the key as password.",
        theme=_theme(),
        css=STYLE.read_text(encoding="utf-8"),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=False,
        enable_monitoring=False,
    )
    gateway.guard(next(pages for route in mounted.routes if isinstance(pages := getattr(route, "app", None), gr.routes.App)))
    return mounted


def launch(gateway_url: str, *, port: int = 7860, title: str = "Doyen") -> None:
    """Serve the pages on this machine until Ctrl-C, against a gateway that runs already.

    People sign in unless that gateway answers without a key.
    """
    import uvicorn

    with closing(GatewayClient(gateway_url)) as client:
        needs_key = not client.answers_without_key()
    config = server_config(create_ui_app(gateway_url, title, needs_key=needs_key), host="127.0.0.1", port=port)
    logger.info("Chat: http://127.0.0.1:%d", port)
    uvicorn.Server(config).run()


class PageGuard:
    """Keeps other sites' pages out, and this one's requests in."""

    def __init__(self, app: ASGIApp, local_only: bool) -> None:
        self.app = app
        self.local_only = local_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        reason = reason_to_refuse(scope["method"], headers, local_only=self.local_only)
        if reason is None and scope["method"] == "POST" and scope["path"].rstrip("/").endswith(FILE_ROUTES):
            reason = "these pages take files in the Documents tab alone: use that, or the gateway's /v1/documents"
        if reason:
            await PlainTextResponse(reason, 403)(scope, receive, send)
            return
        if scope["path"] == UPLOAD_PATH:
            await self.app(scope, receive, _marked(send))
            return
        if says_too_much(headers, BODY_BYTES):
            await PlainTextResponse(TOO_MUCH, TOO_LARGE)(scope, receive, send)
            return
        await self.app(scope, limited(receive, BODY_BYTES, TOO_MUCH), _marked(send))


def _marked(send: Send) -> Send:
    """Return a sender that adds the headers of all pages."""

    async def send_marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_marked


def _theme() -> Any:
    """Return the look: the system's own fonts, because the others would be fetched from a font server."""
    import gradio as gr

    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        font=["system-ui", "-apple-system", "Segoe UI", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "monospace"],
        radius_size=gr.themes.sizes.radius_md,
    )
    # Each pair of text and ground has a contrast of at least 4.5 (WCAG AA).
    return theme.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_label_text_color="*neutral_700",
        block_title_text_color="*neutral_700",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
    )
