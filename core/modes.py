"""The ways of answering: their names, and what each one uses."""

from __future__ import annotations

from typing import Literal, get_args

Mode = Literal["base", "extract", "rag", "rag-short", "finetune", "hybrid"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""In the order in which they are compared: of each pair the later one uses more."""
EXTRACT: Mode = "extract"
"""Answers with what stands in the documents, word for word; nothing is generated."""
PASSAGE_MODES = frozenset({"extract", "rag", "rag-short", "hybrid"})
ADAPTER_MODES = frozenset({"finetune", "hybrid"})
CHOOSING_MODES = frozenset({"rag-short", "hybrid"})
"""Give short answers, which the extract replaces where the passages carry it better."""
SHORT_MODES = frozenset({"rag-short"})
"""Asked for the shortest answer, as an adapter learns to give it: without that, ``rag`` loses points for its length alone."""
BEST = "best"
"""Stands for the best mode of the newest report that can tell, and is resolved before anything is answered."""
MAX_PASSAGES = 50
"""Most passages that one search returns."""
