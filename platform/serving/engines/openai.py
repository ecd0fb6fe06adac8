"""Any OpenAI-compatible server: vLLM, Ollama, TGI, OpenAI."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Self

import httpx2
import openai

from doyen.core.answers import FinishReason
from doyen.core.deadline import time_left
from doyen.core.errors import InputError, NotInTime, PromptTooLong, ServiceError, SettingsError, Unauthorized
from doyen.core.workspace import Workspace
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
        self._silence = silence
        # Failures are told at once: who asked decides whether to ask again. The client insists on a key, the server need not.
        self._client = openai.OpenAI(base_url=self._url, api_key=api_key or "none", max_retries=0)
        self._headers = {} if api_key else {"Authorization": openai.Omit()}

    @classmethod
    def open(cls, workspace: Workspace) -> Self:
        """Return the engine of a workspace's settings.

        Raises:
            SettingsError: the server's URL is missing.
        """
        serving = workspace.settings.serving
        if not serving.openai_url:
            where = str(workspace.root / "doyen.toml")
            raise SettingsError(where, ['serving.openai_url: engine = "openai" needs it, such as "http://127.0.0.1:8000/v1"'])
        return cls(serving.openai_url, serving.model, serving.openai_api_key.get_secret_value())

    def stream(self, request: GenerationRequest) -> Generator[str | Generation, None, None]:
        """Generate; see `Engine.stream`.

        Raises:
            InputError: the server refused the request.
            PromptTooLong: the prompt alone fills the server's window.
            Unauthorized: it refused the key.
            NotInTime: it is silent.
            ServiceError: it cannot be reached or failed.
        """
        try:
            yield from self._generate(request, request.max_tokens)
        except PromptTooLong:
            # Prompt and limit together were too long: without a limit, servers write as much as there is room for.
            yield from self._generate(request, openai.omit)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _generate(self, request: GenerationRequest, max_tokens: int | openai.Omit) -> Generator[str | Generation, None, None]:
        watch, logprobs, usage, tokens = LoopWatch(), list[float](), None, 0
        finished: str | None = None
        with self._failures(), self._open(request, max_tokens) as chunks:
            for chunk in chunks:
                usage = chunk.usage or usage
                for choice in chunk.choices or ():
                    finished = choice.finish_reason or finished
                    logprobs += [token.logprob for token in (choice.logprobs and choice.logprobs.content) or ()]
                    said = (choice.delta and choice.delta.content) or ""
                    tokens += bool(said)
                    if piece := watch.push(said):
                        yield piece
                if watch.looping:
                    break
        if finished is None and not watch.looping:
            raise ServiceError(f"{self._url} broke its answer off: check the server, then ask again")
        if piece := watch.finish():
            yield piece
        reason: FinishReason = "length" if finished == "length" else "stop"
        if watch.looping or finished == "repetition":
            reason = "repetition"
        # Servers that do not count leave 0; of an answer that was broken off, its pieces are counted.
        read = (usage and usage.prompt_tokens) or 0
        written = (usage and usage.completion_tokens) or (tokens if watch.looping else 0)
        yield Generation(watch.text, reason, read, written, logprobs)

    def _open(self, request: GenerationRequest, max_tokens: int | openai.Omit) -> Any:
        """Send the request and return the stream of its chunks, a context manager that closes the connection."""
        if request.prompt is not None:
            raise InputError(f'texts are not continued through engine = "openai": ask {self._url} itself')
        return self._client.chat.completions.create(
            model=request.adapter.name if request.adapter else self.model,
            messages=list(request.messages),
            max_tokens=max_tokens,
            temperature=request.temperature,
            seed=request.seed,
            stop=list(request.stop) or openai.omit,
            logprobs=request.want_logprobs or openai.omit,
            response_format=_form(request) or openai.omit,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=self._headers,
            timeout=httpx2.Timeout(time_left(self._silence), connect=time_left(CONNECT_SECONDS), pool=None),
        )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn what the client raises into our errors, with the server's own words and without the key."""
        try:
            yield
        except (openai.APITimeoutError, httpx2.TimeoutException) as error:
            raise NotInTime(f"{self._url} did not answer in time: check the server, then ask again") from error
        except (openai.APIConnectionError, httpx2.TransportError) as error:
            reason = error.__cause__ or error
            raise ServiceError(
                f"{self._url} cannot be reached ({reason}): start the server or correct serving.openai_url"
            ) from error
        except openai.APIStatusError as error:
            raise self._refusal(error.status_code, error.response.text[:ERROR_CHARS].strip()) from error
        except openai.APIError as error:
            raise ServiceError(f"{self._url} failed while answering: {error.message[:ERROR_CHARS]}") from error
        except json.JSONDecodeError as error:
            raise ServiceError(f"{self._url} sent no JSON ({error.doc[:80]!r}): is it an OpenAI-compatible server?") from error

    def _refusal(self, status: int, words: str) -> InputError | ServiceError:
        match status:
            case 401 | 403:
                return Unauthorized(f"{self._url} refused the key ({status}): set DOYEN_SERVING__OPENAI_API_KEY")
            case 404:
                return ServiceError(
                    f"{self._url} knows no such model or address ({words}): correct serving.model or serving.openai_url; "
                    "an adapter must be loaded there under its name:version"
                )
            case 400 | 413 | 422:
                refused = PromptTooLong if status == 400 and _TOO_LONG.search(words) else InputError
                return refused(f"{self._url} refused the request ({status}): {words}")
            case _:
                return ServiceError(f"{self._url} failed ({status}): {words}")


def _form(request: GenerationRequest) -> Any:
    """Return what holds a server to a JSON schema, as OpenAI, vLLM, Ollama and llama.cpp's server know it; None for none."""
    if request.json_schema is None:
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": dict(request.json_schema)}}
