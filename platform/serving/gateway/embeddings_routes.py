"""``POST /v1/embeddings``: OpenAI's embeddings API, answered by the embedder that the settings name."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from doyen.core.errors import InputError, NotFoundError
from doyen.platform.serving.gateway.http_errors import documented
from doyen.platform.serving.gateway.services import AccessOf, ServicesOf
from doyen.platform.serving.gateway.strict_json import StrictRoute
from doyen.retrieval.embedder import open_embedder

router = APIRouter(prefix="/v1", tags=["embeddings"], route_class=StrictRoute)
MAX_TEXTS = 256
_LITTLE_ENDIAN = "<f4"


class EmbeddingsRequest(BaseModel):
    """``POST /v1/embeddings``.

    Attributes:
        model: retrieval.embedder, as the settings name it.
        input: a text or several; lists of token ids are refused, because they are another tokenizer's.
        encoding_format: "base64" gives the little-endian float32 values.
        dimensions: only the embedder's own number.
        input_type: whether texts are searched or searched for, which some embedders tell apart.
    """

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1, max_length=500)
    input: str | Annotated[list[Any], Field(min_length=1, max_length=MAX_TEXTS)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    user: str | None = None
    input_type: Literal["document", "query"] = "document"

    def texts(self, most_chars: int) -> list[str]:
        """Return the texts.

        Raises:
            InputError: one is no text, empty, or longer than ``most_chars``.
        """
        given = [self.input] if isinstance(self.input, str) else self.input
        for text in given:
            if not isinstance(text, str):
                raise InputError("input holds token ids, which are another model's: send texts")
            if not text.strip():
                raise InputError("input holds an empty text: leave it out")
            if len(text) > most_chars:
                raise InputError(f"input holds a text of {len(text):,} characters, the limit is {most_chars:,}: shorten it")
        return list(given)


class EmbeddingItem(BaseModel):
    """The vector of one text, normalised to length 1."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsUsage(BaseModel):
    """Word pieces that were read, of each text as many as fit the embedder's window."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(BaseModel):
    """The vectors, in the order of the texts."""

    object: Literal["list"] = "list"
    model: str
    data: list[EmbeddingItem]
    usage: EmbeddingsUsage


@router.post("/embeddings", responses=documented(404, 503))
def create_embeddings(body: EmbeddingsRequest, services: ServicesOf, _: AccessOf) -> Embeddings:
    """Embed texts."""
    settings = services.settings
    if body.model != settings.retrieval.embedder:
        raise NotFoundError(f"there is no embedder {body.model!r}: choose {settings.retrieval.embedder!r}")
    texts = body.texts(settings.serving.max_question_chars)
    embedder = open_embedder(settings.retrieval)
    vectors = embedder.encode(texts, body.input_type)
    if body.dimensions not in {None, vectors.shape[1]}:
        raise InputError(f"dimensions = {body.dimensions} is not supported: vectors have {vectors.shape[1]}")
    tokens = sum(map(len, embedder.tokens(texts, body.input_type)))
    data = [EmbeddingItem(index=number, embedding=_encoded(vector, body)) for number, vector in enumerate(vectors)]
    return Embeddings(model=body.model, data=data, usage=EmbeddingsUsage(prompt_tokens=tokens, total_tokens=tokens))


def _encoded(vector: Any, body: EmbeddingsRequest) -> list[float] | str:
    if body.encoding_format == "base64":
        return base64.b64encode(np.asarray(vector, dtype=_LITTLE_ENDIAN).tobytes()).decode("ascii")
    return [float(value) for value in vector]
