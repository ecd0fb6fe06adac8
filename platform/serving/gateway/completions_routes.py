"""``POST /v1/completions``: OpenAI's older API, which continues a text with the model alone, without template and passages."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from doyen.core.access import Access
from doyen.core.errors import DoyenError, InputError, NotFoundError
from doyen.core.modes import Mode
from doyen.platform.serving.engines import AdapterFiles, Generation, GenerationRequest
from doyen.platform.serving.gateway.chat_run import AnswerRun, ClientGone, ClosingStream, RequestTime
from doyen.platform.serving.gateway.chat_schema import (
    MAX_CHOICES,
    SEEDS,
    Stop,
    StreamOptions,
    refuse_unsupported,
    stop_texts,
)
from doyen.platform.serving.gateway.http_errors import documented, error_body
from doyen.platform.serving.gateway.models_routes import parse_model
from doyen.platform.serving.gateway.services import AccessOf, Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute
from doyen.platform.serving.plan import choose_adapter

router = APIRouter(prefix="/v1", tags=["completions"], route_class=StrictRoute)
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The texts.", "content": {"application/json": {}, "text/event-stream": {}}},
    499: {"description": "The client has left; nobody reads this."},
    **documented(404, 429, 502, 503, 504),
}
UNSUPPORTED = ("echo", "suffix")
DEFAULT_TOKENS = 16
"""As in OpenAI's API."""
Piece = str | Generation


class CompletionRequest(BaseModel):
    """``POST /v1/completions``.

    Attributes:
        model: base, finetune, or finetune@adapter.
        prompt: one text; it is continued as it stands.
        logprobs: 0 or 1: the log-probabilities of the tokens that were drawn; those of others are not told.
    """

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1, max_length=200)
    prompt: str | list[Any] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    seed: int | None = None
    stop: Stop | None = None
    n: int | None = Field(None, ge=1, le=MAX_CHOICES)
    best_of: int | None = None
    logprobs: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def choices(self) -> int:
        """How many texts are wanted."""
        return self.n or 1

    def text(self, most_chars: int) -> str:
        """Return the prompt.

        Raises:
            InputError: it is not one text, or longer than ``most_chars``.
        """
        text = self.prompt[0] if isinstance(self.prompt, list) and len(self.prompt) == 1 else self.prompt
        if not isinstance(text, str):
            raise InputError("prompt must be one text: send several requests instead of a list, and no token ids")
        if len(text) > most_chars:
            raise InputError(f"the prompt has {len(text):,} characters, the limit is {most_chars:,}: shorten it")
        return text

    def check_supported(self) -> None:
        """Refuse what cannot be honoured.

        Raises:
            InputError: naming the field and why.
        """
        extra = {name: value for name, value in (self.model_extra or {}).items() if name != "top_logprobs"}
        refuse_unsupported(extra)
        for name in UNSUPPORTED:
            if extra.get(name):
                raise InputError(f"{name} is not supported, because only what follows the prompt is given: leave it out")
        if self.best_of not in {None, self.choices}:
            raise InputError("best_of is not supported, because every text that is drawn is given: ask with n")
        if (self.logprobs or 0) > 1:
            raise InputError("logprobs above 1 is not supported, because only tokens that were drawn are told: ask for 1")
        if self.choices > 1 and self.stream:
            raise InputError(f"n = {self.n} is not supported with stream: ask without stream, or {self.n} times")


@router.post("/completions", response_model=None, responses=RESPONSES)
async def complete_text(request: Request, body: CompletionRequest, services: ServicesOf, access: AccessOf) -> Response:
    """Continue a text with the base model or an adapter, as one JSON document or as a stream of server-sent events.

    Nothing is retrieved, cited, checked or recorded: answers for people come from POST /v1/chat/completions.
    """
    head = {"id": f"cmpl-{uuid4().hex}", "object": "text_completion", "created": int(time.time()), "model": body.model}
    try:
        run = await _start(request, body, services, access)
        try:
            first = await run.next()
            if body.stream:
                return ClosingStream(run, _events(run, first, body, head), media_type="text/event-stream")
            made = [await _last(run, first)]
            while len(made) < body.choices:
                made.append(await _last(run, await run.next()))
        except BaseException:
            await run.close()
            raise
    except ClientGone:
        return Response(status_code=499)
    await run.close()
    services.metrics.tokens.labels("prompt").inc(sum(each.prompt_tokens for each in made))
    services.metrics.tokens.labels("completion").inc(sum(each.completion_tokens for each in made))
    choices = [_choice(number, each.text, each, body) for number, each in enumerate(made)]
    return JSONResponse({**head, "choices": choices, "usage": _usage(made)})


async def _start(request: Request, body: CompletionRequest, services: Services, access: Access) -> AnswerRun[Piece]:
    """Check the request and wait for a turn."""
    name = parse_model(body.model)
    if name.mode not in {Mode.BASE, Mode.FINETUNE}:
        raise NotFoundError(f"{body.model!r} continues no texts: choose base or finetune, or ask POST /v1/chat/completions")
    body.check_supported()
    serving = services.settings.serving
    text, stop = body.text(serving.max_question_chars), stop_texts(body.stop)

    def ask() -> Iterator[Piece]:
        assistant = services.assistant()
        adapter = choose_adapter(assistant.registry, assistant.engine, Mode(name.mode), name.adapter, None, access)
        for number in range(body.choices):
            yield from assistant.engine.stream(
                GenerationRequest(
                    (),
                    AdapterFiles(adapter.ref, adapter.folder, adapter.base_sha256) if adapter else None,
                    max_tokens=body.max_tokens or DEFAULT_TOKENS,
                    temperature=serving.temperature if body.temperature is None else body.temperature,
                    seed=((body.seed or 0) + number) % SEEDS,
                    stop=stop,
                    want_logprobs=body.logprobs is not None,
                    prompt=text,
                )
            )

    spent, place = RequestTime(request, serving.request_timeout_s), services.limiter.place()
    try:
        await spent.wait(place.enter())
    except BaseException:
        place.leave()
        raise
    return AnswerRun(spent, place, ask)


async def _last(run: AnswerRun[Piece], piece: Piece | None) -> Generation:
    while isinstance(piece, str):
        piece = await run.next()
    if piece is None:
        raise RuntimeError("the engine ended without a text")
    return piece


async def _events(
    run: AnswerRun[Piece], piece: Piece | None, body: CompletionRequest, head: dict[str, Any]
) -> AsyncIterator[str]:
    """Yield the server-sent events of a text; an error in its middle is an event too."""
    try:
        while isinstance(piece, str):
            yield _event({**head, "choices": [_choice(0, piece, None, body)]})
            piece = await run.next()
        made = await _last(run, piece)
        yield _event({**head, "choices": [_choice(0, "", made, body)]})
        if body.stream_options and body.stream_options.include_usage:
            yield _event({**head, "choices": [], "usage": _usage([made])})
        yield "data: [DONE]\n\n"
    except ClientGone:
        return
    except DoyenError as error:
        yield _event(error_body(error))


def _choice(number: int, text: str, made: Generation | None, body: CompletionRequest) -> dict[str, Any]:
    reason = None if made is None else "length" if made.finish_reason == "length" else "stop"
    told = made if body.logprobs is not None else None
    logprobs = told and {
        "tokens": told.tokens,
        "token_logprobs": told.logprobs,
        "top_logprobs": None,
        "text_offset": _offsets(told.tokens),
    }
    return {"index": number, "text": text, "finish_reason": reason, "logprobs": logprobs}


def _offsets(tokens: Sequence[str]) -> list[int]:
    """Return where each token begins in the text."""
    found, at = [], 0
    for token in tokens:
        found.append(at)
        at += len(token)
    return found


def _usage(made: Sequence[Generation]) -> dict[str, int]:
    read, written = made[0].prompt_tokens, sum(each.completion_tokens for each in made)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
