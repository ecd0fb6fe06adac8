"""Any OpenAI-compatible server: vLLM, Ollama, TGI, OpenAI."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from typing import Any

import httpx

from doyen.core.answers import FinishReason
from doyen.core.deadline import time_left
from doyen.core.errors import InputError, MissingPart, NotInTime, PromptTooLong, ServiceError, Unauthorized
from doyen.platform.serving.engines.loops import LoopWatch
from doyen.platform.serving.engines.protocol import Generation, GenerationRequest

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 120.0
ERROR_CHARS = 300
_TOO_LONG = re.compile(r"context (?:length|window|size)|max_tokens|too many tokens", re.IGNORECASE)
"""How vLLM, llama.cpp's server, Ollama and OpenAI say that prompt and answer do not fit."""


class OpenAIEngine:
    """Sends chat requests to a server; see `Engine`.

    An adapter is asked for as the model "name:version", which is how vLLM names LoRA modules: start it with
    ``--lora-modules name:version=FOLDER``. The server, not Doyen, turns messages into tokens.
    """

    base_sha256 = ""

    def __init__(self, url: str, model: str, api_key: str = "", *, silence: float = SILENCE_SECONDS) -> None:
        """Open a connection pool.

        Args:
            url: base URL ending in /v1.
            model: the server's name for the base model.
            api_key: sent as bearer token when not empty.
            silence: seconds without a byte after which the server counts as failed.
        """
        self.model = model
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._silence = silence
        self._client = httpx.Client(headers=headers)

    def stream(self, request: GenerationRequest) -> Generator[str | Generation, None, None]:
        """Generate; see `Engine.stream`.

        Raises:
            InputError: the server refused the request.
            PromptTooLong: the prompt alone fills the server's window.
            Unauthorized: it refused the key.
            NotInTime: it is silent.
            ServiceError: it cannot be reached or failed.
        """
        body = self._body(request)
        try:
            yield from self._generate(body)
        except PromptTooLong:
            # Prompt and limit together were too long: without a limit, servers write as much as there is room for.
            del body["max_tokens"]
            yield from self._generate(body)

    def _generate(self, body: dict[str, Any]) -> Generator[str | Generation, None, None]:
        answer = _Answer()
        try:
            url = f"{self._url}/chat/completions"
            with self._client.stream("POST", url, json=body, timeout=self._timeout()) as response:
                self._check(response)
                for line in response.iter_lines():
                    data = line.removeprefix("data:").strip()
                    if not line.startswith("data:") or not data:
                        continue
                    if data == "[DONE]":
                        break
                    if piece := answer.add(self._parse(data)):
                        yield piece
                    if answer.watch.looping:
                        break
        except httpx.TimeoutException as error:
            raise NotInTime(f"{self._url} did not answer in time: look at the server, then ask again") from error
        except httpx.TransportError as error:
            raise ServiceError(
                f"{self._url} cannot be reached ({error}): start the server or mend serving.openai_url"
            ) from error
        if answer.finish_reason is None and not answer.watch.looping:
            raise ServiceError(f"{self._url} broke its answer off: look at the server, then ask again")
        if piece := answer.watch.finish():
            yield piece
        yield answer.generation()

    def score(self, request: GenerationRequest, continuations: Sequence[str]) -> list[float]:
        """Raise MissingPart: chat servers do not tell the probability of a given text."""
        raise MissingPart('an OpenAI-compatible server cannot score a given text: use engine = "llamacpp" or "transformers"')

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _timeout(self) -> httpx.Timeout:
        return httpx.Timeout(time_left(self._silence), connect=time_left(CONNECT_SECONDS), pool=None)

    def _body(self, request: GenerationRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": request.adapter.name if request.adapter else self.model,
            "messages": list(request.messages),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.stop:
            body["stop"] = list(request.stop)
        if request.want_logprobs:
            body["logprobs"] = True
        return body

    def _check(self, response: httpx.Response) -> None:
        """Raise for a status that is no success, with the server's own words."""
        if response.is_success:
            return
        response.read()
        words = response.text[:ERROR_CHARS].strip()
        status = response.status_code
        if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise Unauthorized(f"{self._url} refused the key ({status}): set DOYEN_SERVING__OPENAI_API_KEY")
        if status == httpx.codes.NOT_FOUND:
            raise ServiceError(
                f"{self._url} knows no such model or address ({words}): mend serving.model or serving.openai_url; "
                "an adapter must be loaded there under its name:version"
            )
        if status == httpx.codes.BAD_REQUEST and _TOO_LONG.search(words):
            raise PromptTooLong(f"{self._url} refused the request ({status}): {words}")
        if status in {httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE, httpx.codes.UNPROCESSABLE_ENTITY}:
            raise InputError(f"{self._url} refused the request ({status}): {words}")
        raise ServiceError(f"{self._url} failed ({status}): {words}")

    def _parse(self, data: str) -> dict[str, Any]:
        try:
            event: dict[str, Any] = json.loads(data)
        except json.JSONDecodeError as error:
            raise ServiceError(f"{self._url} sent no JSON ({data[:80]!r}): is it an OpenAI-compatible server?") from error
        if problem := event.get("error"):
            message = problem.get("message", problem) if isinstance(problem, dict) else problem
            raise ServiceError(f"{self._url} failed while answering: {str(message)[:ERROR_CHARS]}")
        return event


class _Answer:
    """Adds up the events of one stream."""

    def __init__(self) -> None:
        self.watch = LoopWatch()
        self.tokens = 0
        self.logprobs: list[float] = []
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] = {}

    def add(self, event: dict[str, Any]) -> str:
        """Take one event in and return its text."""
        self.usage = event.get("usage") or self.usage
        if not event.get("choices"):
            return ""
        choice = event["choices"][0]
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        content = (choice.get("logprobs") or {}).get("content") or []
        self.logprobs += [float(token["logprob"]) for token in content]
        piece = str((choice.get("delta") or {}).get("content") or "")
        self.tokens += bool(piece)
        return self.watch.push(piece)

    def generation(self) -> Generation:
        """Return the finished answer; token counts are 0 where the server does not tell, and those of pieces after a loop."""
        reason: FinishReason = "length" if self.finish_reason == "length" else "stop"
        if self.watch.looping or self.finish_reason == "repetition":
            reason = "repetition"
        return Generation(
            self.watch.text,
            reason,
            int(self.usage.get("prompt_tokens") or 0),
            int(self.usage.get("completion_tokens") or (self.tokens if self.watch.looping else 0)),
            self.logprobs,
        )
