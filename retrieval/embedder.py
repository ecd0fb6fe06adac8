"""Text to vectors with a model of sentence-transformers, run directly.

Its batches hold texts of similar length and its queries run on one thread, which the library cannot be told. A test compares
the vectors of both, and layers that are not run here are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doyen.core.errors import ModelMissing
from doyen.core.models import load_once, number_format, resolve_embedder, torch_device, torch_dtype
from doyen.core.settings import RetrievalSettings

BATCH_TOKENS = 2048
"""Padded tokens in a batch: more no longer fills the processor better and costs cache."""
SMALL_TOKENS = 256
"""Tokens up to which a batch is computed on one thread."""
MODULES = {"Transformer", "Pooling", "Normalize"}
"""Of sentence-transformers; another one, such as a Dense layer, would make other vectors."""
POOLINGS = ("pooling_mode_mean_tokens", "pooling_mode_cls_token", "pooling_mode_lasttoken")


class Embedder:
    """Turns texts into L2-normalised vectors; the same text always gives the same vector, up to rounding.

    Attributes:
        name: the model's name in the settings.
        sha256: of its weights; vectors of different weights are never compared.
        dim: length of the vectors.
        max_tokens: the model's window; longer texts are cut there.
        network: the PyTorch module, which training changes.
    """

    def __init__(self, name: str, folder: Path, sha256: str, *, dtype: str = "auto") -> None:
        import torch
        from transformers import AutoConfig, AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.name, self.sha256 = name, sha256
        self._torch = torch
        self._dtype = torch_dtype(dtype)
        self._device = torch_device()
        config = AutoConfig.from_pretrained(folder)
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModel.from_pretrained(folder, config=config, dtype=self._dtype)
        self.network = model.eval().to(self._device)
        self.dim = int(config.hidden_size)
        self.max_tokens = _window(folder, int(getattr(config, "max_position_embeddings", 512)))
        self._pooling = _pooling(folder)
        self._prompts = _read_json(folder / "config_sentence_transformers.json").get("prompts") or {}

    def encode(self, texts: Sequence[str], kind: Literal["document", "query"] = "document") -> NDArray[np.float32]:
        """Return the vectors, ``(len(texts), dim)`` float32 with unit length, in the order of the texts.

        Equal texts are computed once. Batches hold texts of similar length, so that little padding is computed.

        Args:
            texts: what to embed; an empty text is allowed.
            kind: which of the model's own prompts goes before each text, where it has any.
        """
        unique = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        vectors = np.zeros((len(unique), self.dim), np.float32)
        for rows, batch in _batches(self.tokens(list(unique), kind)):
            with self._threads(len(batch) * len(batch[-1])):
                vectors[rows] = self._forward(batch)
        return vectors[[unique[text] for text in texts]] if len(unique) != len(texts) else vectors

    def tokens(self, texts: Sequence[str], kind: Literal["document", "query"] = "document") -> list[list[int]]:
        """Return the token ids of texts, with the model's prompt, as far as its window reaches."""
        prompt = self._prompts.get(kind) or ""
        prompted = [prompt + text for text in texts]
        return self._tokenizer(prompted, truncation=True, max_length=self.max_tokens)["input_ids"] if texts else []

    def token_states(self, texts: Sequence[str]) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Return for each text the places of its word pieces, ``(n, 2)`` start and end, and their states, ``(n, dim)`` float32.

        The states are those of the middle layer: the last one speaks of the whole text, the middle one of each word
        (Jawahar et al., ACL 2019). What lies beyond the model's window has none.
        """
        options = {"truncation": True, "max_length": self.max_tokens, "return_offsets_mapping": True}
        encoded = self._tokenizer(list(texts), **options) if texts else {"input_ids": [], "offset_mapping": []}
        found: list[Any] = [None] * len(texts)
        for rows, batch in _batches(encoded["input_ids"]):
            with self._threads(len(batch) * len(batch[-1])), self._torch.inference_mode():
                ids, mask = self._padded(batch)
                layers = self.network(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
                states = np.asarray(layers[len(layers) // 2].float().cpu().numpy(), np.float32)
            for row, own in zip(rows, states, strict=True):
                places = np.array(encoded["offset_mapping"][row], np.int64).reshape(-1, 2)
                real = places[:, 1] > places[:, 0]  # special tokens have no place
                found[row] = places[real], own[: len(places)][real]
        return found

    @contextmanager
    def _threads(self, n_tokens: int) -> Iterator[None]:
        """Compute a query on one thread: on busy cores, threads that wait for each other took ten times as long."""
        before = self._torch.get_num_threads()
        few = n_tokens <= SMALL_TOKENS and before > 1
        if few:
            self._torch.set_num_threads(1)
        try:
            yield
        finally:
            if few:
                self._torch.set_num_threads(before)

    def _forward(self, batch: list[list[int]]) -> NDArray[np.float32]:
        with self._torch.inference_mode():
            return np.asarray(self.forward(batch).cpu().numpy(), np.float32)

    def forward(self, batch: Sequence[list[int]]) -> Any:
        """Return the vectors of token ids as a tensor, ``(len(batch), dim)`` float32 with unit length."""
        ids, mask = self._padded(batch)
        hidden = self.network(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        return self._torch.nn.functional.normalize(self._pool(hidden, mask), dim=-1)

    def _padded(self, batch: Sequence[list[int]]) -> tuple[Any, Any]:
        """Return token ids and mask as tensors, ``(len(batch), longest)``."""
        torch = self._torch
        longest = max(len(ids) for ids in batch)
        pad = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in batch])
        lengths = torch.tensor([len(row) for row in batch])
        mask = (torch.arange(longest)[None, :] < lengths[:, None]).long()
        return ids.to(self._device), mask.to(self._device)

    def _pool(self, hidden: Any, mask: Any) -> Any:
        if self._pooling == "pooling_mode_cls_token":
            return hidden[:, 0]
        if self._pooling == "pooling_mode_lasttoken":
            return hidden[self._torch.arange(len(hidden)), mask.sum(1) - 1]
        weights = mask.unsqueeze(-1).float()
        return (hidden * weights).sum(1) / weights.sum(1)


def _batches(encoded: list[list[int]]) -> Iterator[tuple[list[int], list[list[int]]]]:
    """Yield row numbers and token ids of batches, texts of similar length together."""
    order = sorted(range(len(encoded)), key=lambda row: len(encoded[row]))
    rows: list[int] = []
    for row in order:
        if rows and (len(rows) + 1) * len(encoded[row]) > BATCH_TOKENS:
            yield rows, [encoded[each] for each in rows]
            rows = []
        rows.append(row)
    if rows:
        yield rows, [encoded[each] for each in rows]


def open_embedder(settings: RetrievalSettings) -> Embedder:
    """Load the embedder that the settings name; threads that ask at once share one.

    Raises:
        ModelMissing: its files are not on this machine, or it pools in a way that Doyen does not know.
    """
    return load_embedder(settings.embedder, number_format(settings.embedder_dtype))


@load_once(maxsize=3)
def load_embedder(name: str, dtype: str) -> Embedder:
    """Load an embedder by its name or folder; see ``open_embedder``."""
    folder, sha256 = resolve_embedder(name)
    return Embedder(name, folder, sha256, dtype=dtype)


def _pooling(folder: Path) -> str:
    """Return the model's pooling mode; a plain model without the file is mean-pooled, as sentence-transformers does."""
    modules = _read_json(folder / "modules.json") or []
    if unknown := {module["type"].rpartition(".")[2] for module in modules} - MODULES:
        raise ModelMissing(
            f"the embedder in {folder} has layers that Doyen does not run ({', '.join(sorted(unknown))}): choose one without"
        )
    config = _read_json(folder / "1_Pooling" / "config.json")
    if not config:
        return POOLINGS[0]
    active = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    if len(active) == 1 and active[0] in POOLINGS:
        return active[0]
    raise ModelMissing(f"the embedder in {folder} pools by {active}: choose one that pools by mean, first or last token")


def _window(folder: Path, positions: int) -> int:
    wanted = _read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    return min(int(wanted or positions), positions, 8192)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
