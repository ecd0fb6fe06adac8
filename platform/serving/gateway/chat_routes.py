"""``POST /v1/chat/completions``: OpenAI's chat API, answered by the assistant."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from doyen.core.access import Access
from doyen.core.answers import Answer, Extract
from doyen.core.errors import DoyenError, InputError
from doyen.core.modes import BEST, Mode
from doyen.platform.serving.gateway.chat_run import AnswerRun, ClientGone, ClosingStream, RequestTime
from doyen.platform.serving.gateway.chat_schema import ChatRequest, json_schema_of
from doyen.platform.serving.gateway.http_errors import documented, error_body
from doyen.platform.serving.gateway.models_routes import parse_model
from doyen.platform.serving.gateway.pages_routes import page_images
from doyen.platform.serving.gateway.services import AccessOf, Services, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute

logger = logging.getLogger("doyen.gateway")
router = APIRouter(prefix="/v1", tags=["chat"], route_class=StrictRoute)
Piece = str | Extract | Answer
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The answer.", "content": {"application/json": {}, "text/event-stream": {}}},
    499: {"description": "The client has left; nobody reads this."},
    **documented(404, 409, 429, 502, 503, 504, 507),
}


@router.post("/chat/completions", response_model=None, responses=RESPONSES)
async def complete_chat(request: Request, body: ChatRequest, services: ServicesOf, access: AccessOf) -> Response:
    """Answer the last user message, as one JSON document or as a stream of server-sent events.

    ``model`` is a mode (base, extract, rag, finetune, hybrid, …), "mode@adapter", "mode@adapter:version", or "best": the
    best mode of the newest report that asked enough questions to tell, else extract; the answer names it as ``mode`` with
    its ``mode_reason``. Beside OpenAI's fields the response (streamed: the last chunk before [DONE]) carries ``citations``
    (of PDFs with ``page_image``, the path of the page with the quote marked),
    ``sentences`` (each with a ``mark``: supported, unsure, not_found or number_differs), ``passages``, ``abstained``,
    ``support``, ``answer_id`` (for feedback), ``answer``, ``mode``, ``adapter``, ``timings``, ``warnings`` and
    ``finish_reason``: why the answer ended, "stop", "length", "repetition" (the model went round in circles and was stopped) or
    "cancelled".
    Where passages are read and an answer is generated, an early chunk of a stream carries ``extract``: the words of a passage
    that may answer, and their sentence as a citation.
    ``choices[].finish_reason`` keeps to OpenAI's values: "length", or "stop" for all others.
    """
    started = time.time()
    try:
        run = await _start(request, body, services, access)
        try:
            # The first piece comes before the response begins, so that early errors get a status of their own.
            first = await run.next()
            if body.stream:
                return ClosingStream(run, _events(run, first, body, services, int(started)), media_type="text/event-stream")
            answers = [await _last(run, first)]
            while len(answers) < body.choices:
                answers.append(await _last(run, await run.next()))
        except BaseException:
            await run.close()
            raise
    except ClientGone:
        return Response(status_code=499)
    await run.close()
    for answer in answers:
        _count(services, answer)
    return JSONResponse(_completion(answers, body, services, int(started)))


async def _start(request: Request, body: ChatRequest, services: Services, access: Access) -> AnswerRun[Piece]:
    """Check the request and wait for a turn; the answer begins with its first piece."""
    name = parse_model(body.model)
    body.check_supported()
    question, history = body.conversation(services.settings.serving.max_question_chars)
    sampling, instructions = body.sampling(), body.instructions()
    if sampling.json_schema is not None:
        require_json(services.settings.serving.engine, name.mode)

    def ask() -> Iterator[str | Extract | Answer]:
        assistant = services.assistant()
        shared: dict[str, Any] = {"history": history, "adapter": name.adapter, "max_tokens": body.token_limit, "access": access}
        for number in range(body.choices):
            drawn = replace(sampling, seed=sampling.seed + number)
            yield from assistant.stream(question, name.mode, **shared, sampling=drawn, instructions=instructions)

    spent = RequestTime(request, services.settings.serving.request_timeout_s)
    place = services.limiter.place()
    try:
        await spent.wait(place.enter())
    except BaseException:
        place.leave()
        raise
    return AnswerRun(spent, place, ask)


def require_json(engine: str, mode: str) -> None:
    """Refuse JSON of a schema where nothing holds the answer to it.

    Raises:
        InputError: the engine cannot, or the mode quotes.
    """
    if engine == "transformers":
        raise InputError('response_format needs an engine that keeps to a schema: set engine = "llamacpp" under [serving]')
    if mode in {Mode.EXTRACT, BEST}:
        raise InputError(f"response_format is not supported by {mode}, which may quote documents: choose rag or hybrid")


async def _last(run: AnswerRun[Piece], piece: str | Extract | Answer | None) -> Answer:
    """Return the whole answer at the end of its pieces."""
    while isinstance(piece, str | Extract):
        piece = await run.next()
    if piece is None:
        raise RuntimeError("the assistant ended without an answer")
    return piece


async def _events(
    run: AnswerRun[Piece], piece: str | Extract | Answer | None, body: ChatRequest, services: Services, created: int
) -> AsyncIterator[str]:
    """Yield the server-sent events of a streamed answer; an error in its middle is an event too."""
    head: dict[str, Any] = {"id": "chatcmpl-stream", "object": "chat.completion.chunk", "created": created, "model": body.model}
    sent = ""
    try:
        yield _event({**head, "choices": [_choice({"role": "assistant", "content": ""}, None)]})
        while isinstance(piece, str | Extract):
            if isinstance(piece, Extract):
                yield _event({**head, "choices": [_choice({}, None)], "extract": piece.to_json()})
            elif piece:
                sent += piece
                yield _event({**head, "choices": [_choice({"content": piece}, None)]})
            piece = await run.next()
        answer = await _last(run, piece)
        if answer.answer.startswith(sent) and len(answer.answer) > len(sent):
            yield _event({**head, "choices": [_choice({"content": answer.answer[len(sent) :]}, None)]})
        _count(services, answer)
        yield _event({**head, "choices": [_choice({}, _finish_reason(answer))], **_extras(answer, body, services)})
        if body.stream_options and body.stream_options.include_usage:
            yield _event({**head, "choices": [], "usage": _usage([answer])})
        yield "data: [DONE]\n\n"
    except ClientGone:
        return
    except DoyenError as error:
        yield _event(error_body(error))
    except Exception as error:
        # The status line is long gone: the client can only learn of it here.
        logger.exception("unforeseen error in the middle of an answer")
        yield _event(error_body(error))


def _completion(answers: Sequence[Answer], body: ChatRequest, services: Services, created: int) -> dict[str, Any]:
    """Return OpenAI's chat.completion object with our fields of the first answer beside."""
    return {
        "id": f"chatcmpl-{answers[0].answer_id}",
        "object": "chat.completion",
        "created": created,
        "model": body.model,
        "choices": [_whole_choice(number, answer, body) for number, answer in enumerate(answers)],
        "usage": _usage(answers),
        **_extras(answers[0], body, services),
    }


def _whole_choice(number: int, answer: Answer, body: ChatRequest) -> dict[str, Any]:
    """Return one answer; a refusal where JSON was asked for stands in OpenAI's field for it."""
    refused = answer.abstained and json_schema_of(body.response_format) is not None
    message = {
        "role": "assistant",
        "content": None if refused else answer.answer,
        "refusal": answer.answer if refused else None,
    }
    reason = _finish_reason(answer)
    return {"index": number, "message": message, "logprobs": None, "finish_reason": reason, "answer_id": answer.answer_id}


def _extras(answer: Answer, body: ChatRequest, services: Services) -> dict[str, Any]:
    """Return what our answers carry beside OpenAI's fields: the contract of ``doyen ask``, passages and warnings."""
    fields = {name: value for name, value in answer.public_json().items() if name not in {"usage", "model", "question"}}
    passages = [passage.public_json() for passage in answer.passages]
    images = page_images(services, answer)
    citations = [{**cited, "page_image": image} for cited, image in zip(fields["citations"], images, strict=True)]
    return {**fields, "citations": citations, "passages": passages, "warnings": body.warnings()}


def _usage(answers: Sequence[Answer]) -> dict[str, int]:
    read = sum(answer.usage.prompt_tokens for answer in answers)
    written = sum(answer.usage.completion_tokens for answer in answers)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _finish_reason(answer: Answer) -> str:
    return "length" if answer.finish_reason == "length" else "stop"


def _count(services: Services, answer: Answer) -> None:
    """Add an answer to the metrics."""
    services.metrics.answers.labels(answer.mode, "abstained" if answer.abstained else "answered").inc()
    services.metrics.first_token.labels(answer.mode).observe(answer.timings.first_token_s)
    services.metrics.tokens.labels("prompt").inc(answer.usage.prompt_tokens)
    services.metrics.tokens.labels("completion").inc(answer.usage.completion_tokens)


def _choice(delta: dict[str, str], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
