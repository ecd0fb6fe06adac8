"""What is settled about a question before anything is generated: mode, adapter, passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from doyen.core.access import OWNER, Access
from doyen.core.answers import Passage
from doyen.core.errors import IncompatibleError, InputError, NotFoundError
from doyen.core.modes import ADAPTER_MODES, BEST, MODES, Mode
from doyen.core.records import Turn
from doyen.core.store.schema import EMBEDDER
from doyen.core.text import is_encodable
from doyen.finetune.reading_adapter import GENERAL, find_reading_adapter
from doyen.finetune.registry import GENERATOR, HEADS, PRODUCTION, Adapter, Registry, no_adapter
from doyen.platform.serving.engines import Engine
from doyen.platform.serving.sampling import DEFAULT_SAMPLING, Sampling
from doyen.retrieval.reading.findings import Findings


@dataclass(frozen=True)
class Plan:
    """A checked question, ready to be generated.

    Attributes:
        asked: what the person asked, a follow-up made to stand alone from their own turns: no figure of an answer is in it.
        query: what was retrieved for; a follow-up question is made to stand alone.
        access: what the caller may read.
        passages: best first; empty in modes without them, or when nothing was found.
        aside: passages of other versions of their documents; None where nothing was looked up.
        reply: what is answered without looking anything up, to a greeting or the like; None for questions.
        reuse_prompt: as in `GenerationRequest`.
        mode_reason: why this mode, where "best" was asked for.
        sampling: how the answer is drawn.
        instructions: what the caller's system messages say.
        started: ``time.monotonic()`` at the question's arrival.
        retrieve_s: seconds spent on finding passages.
        extract_s: seconds from the question to the extract; 0 where none is shown before the answer.
        findings: what the reader found in them; None where nothing is read.
        refused: whether they are too unlikely to answer.
    """

    question: str
    mode: Mode
    history: Sequence[Turn]
    adapter: Adapter | None
    max_tokens: int
    asked: str
    query: str
    started: float
    access: Access = OWNER
    passages: list[Passage] = field(default_factory=list)
    aside: list[Passage] | None = None
    retrieve_s: float = 0.0
    reply: str | None = None
    mode_reason: str | None = None
    reuse_prompt: bool = True
    sampling: Sampling = DEFAULT_SAMPLING
    instructions: str = ""
    extract_s: float = 0.0
    findings: Findings | None = None
    refused: bool = False


def check_mode(mode: str) -> Mode:
    """Return the mode.

    Raises:
        NotFoundError: there is no such mode.
    """
    if mode not in MODES:
        raise NotFoundError(f"there is no mode {mode!r}; known: {', '.join((BEST, *MODES))}")
    return Mode(mode)


def check_question(question: str, limit: int) -> str:
    """Return the question without white space around it.

    Raises:
        InputError: it is empty, no text in Unicode, or longer than ``limit`` characters.
    """
    question = question.strip()
    if not is_encodable(question):
        raise InputError("the question holds bytes that are no UTF-8, or half of a surrogate pair: type it again")
    if not question:
        raise InputError("the question is empty: ask something")
    if len(question) > limit:
        raise InputError(
            f"the question has {len(question):,} characters and {limit:,} are allowed: ask a shorter one "
            "or raise serving.max_question_chars"
        )
    return question


def choose_adapter(
    registry: Registry,
    engine: Engine,
    mode: Mode,
    reference: str | None,
    reading: str | None = None,
    access: Access = OWNER,
) -> Adapter | None:
    """Return the adapter that a mode answers with: the named one, else the promoted, else the newest; None without one.

    Args:
        reference: "name" or "name:version", for the modes that answer with an adapter of the domain.
        reading: ``serving.reader_adapter``, for mode "rag-reading".
        access: one that excludes adapters knows none of the domain.

    Raises:
        NotFoundError: there is no such adapter of a generator, or none at all.
        IncompatibleError: it was trained on another base model than the engine serves.
    """
    if mode == Mode.RAG_READING:
        adapter = reading_adapter(registry, engine, reading)
        if adapter is None:
            raise NotFoundError(
                f'mode "{mode}" needs a general reading adapter of {engine.model!r} and there is none: train one with '
                '`doyen train --general-reading PARAGRAPHS`, or ask in mode "rag-short"'
            )
        return adapter
    if mode not in ADAPTER_MODES:
        return None
    if not access.adapters:
        raise NotFoundError(no_adapter(reference) if reference else _needs_adapter(mode))
    adapter = registry.get(reference) if reference else _default_adapter(registry, mode)
    if not adapter.of_generator:
        raise NotFoundError(
            f"{adapter.ref!r} is {_kind_of(adapter)}: name an adapter of the generator, or none to take the promoted one"
        )
    if not fits(engine, adapter):
        raise IncompatibleError(
            f"adapter {adapter.ref!r} was trained on base {adapter.base_model!r} ({adapter.base_sha256[:12]}…), but the "
            f"engine serves {engine.model!r} ({engine.base_sha256[:12]}…): train it again or set serving.model"
        )
    return adapter


def reading_adapter(registry: Registry, engine: Engine, wanted: str | None) -> Adapter | None:
    """Return the adapter of mode "rag-reading", or None; remote servers have only what is named.

    Raises:
        NotFoundError, IncompatibleError: as `find_reading_adapter`.
    """
    named = wanted not in {None, GENERAL}
    return find_reading_adapter(registry, lambda adapter: (named or bool(engine.base_sha256)) and fits(engine, adapter), wanted)


def fits(engine: Engine, adapter: Adapter) -> bool:
    """Whether an adapter was trained on the base model that the engine serves; remote servers cannot tell and take all."""
    return not engine.base_sha256 or adapter.base_sha256 == engine.base_sha256


def _kind_of(adapter: Adapter) -> str:
    if adapter.kind in HEADS:
        return "a head"
    return "an embedder" if adapter.kind == EMBEDDER else "a reader"


def _default_adapter(registry: Registry, mode: Mode) -> Adapter:
    adapters = registry.list(kind=GENERATOR)
    if not adapters:
        raise NotFoundError(_needs_adapter(mode))

    def rank(adapter: Adapter) -> tuple[bool, str, int]:
        return adapter.stage == PRODUCTION, adapter.created_at, adapter.version

    return max(adapters, key=rank)


def _needs_adapter(mode: Mode) -> str:
    return f'mode "{mode}" needs an adapter and there is none: run `doyen train`, or ask in mode "rag"'
