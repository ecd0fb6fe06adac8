"""The ways of answering, and what each one uses."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """A way of answering; in the order in which they are compared: of each pair the later one uses more."""

    BASE = "base"
    EXTRACT = "extract"
    """Answers with what stands in the documents, word for word; nothing is generated."""
    RAG = "rag"
    RAG_SHORT = "rag-short"
    """Asks for the shortest answer, as an adapter learns to give it: without that, ``rag`` loses points for length alone."""
    RAG_READING = "rag-reading"
    """With the general reading adapter: the generator has learnt to answer from passages, of no domain in particular."""
    FINETUNE = "finetune"
    HYBRID = "hybrid"


MODES = tuple(Mode)
PASSAGE_MODES = frozenset({Mode.EXTRACT, Mode.RAG, Mode.RAG_SHORT, Mode.RAG_READING, Mode.HYBRID})
ADAPTER_MODES = frozenset({Mode.FINETUNE, Mode.HYBRID})
"""Answer with an adapter of the domain, which can be named."""
CHOOSING_MODES = frozenset({Mode.RAG_SHORT, Mode.RAG_READING, Mode.HYBRID})
"""Give short answers, which the extract replaces where the passages carry it better."""
BEST = "best"
"""Stands for the best mode of the newest report that can tell, and is resolved before anything is answered."""
MAX_PASSAGES = 50
"""Most passages that one search returns."""
