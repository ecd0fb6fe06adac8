"""The network of a head: an encoder with a LoRA adapter, and a linear layer on the states of texts or of words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from doyen.core.models import resolve_embedder, resolve_generator
from doyen.finetune.heads.head_config import OUTPUT
from doyen.finetune.heads.head_rows import Batch, Row, batched_rows, collate

MOST_TOKENS = 512
"""Of a window, whatever a model could hold: attention over more costs more than it tells of a class or an entity."""
BaseKind = Literal["embedder", "generator"]


@dataclass(frozen=True)
class Base:
    """A model that heads are trained on.

    Attributes:
        name: in the settings.
        sha256: of its weights.
    """

    name: str
    folder: Path
    sha256: str


def find_base(kind: BaseKind, name: str) -> Base:
    """Return the files of an encoder, or of the generator, whose last states serve as well.

    Raises:
        ModelMissing: it is not there.
    """
    if kind == "generator":
        found = resolve_generator(name)
        return Base(name, found.folder, found.sha256)
    return Base(name, *resolve_embedder(name))


@dataclass(frozen=True)
class LoraShape:
    """The adapter of the encoder (Hu et al., arXiv 2106.09685), on all its linear layers."""

    rank: int
    alpha: int
    dropout: float


class HeadNetwork(nn.Module):
    """States of an encoder, pooled over a text or a word, to the logits of the options."""

    def __init__(self, encoder: Any, n_options: int, pad: int) -> None:
        super().__init__()
        self.encoder, self.pad = encoder, pad
        self.dim = int(encoder.config.hidden_size)
        self.output = nn.Linear(self.dim, n_options)

    def states(self, batch: Batch) -> Tensor:
        """Return the mean state of each text, or of each word, ``(n, dim)`` of length √dim; a word without pieces has zeros."""
        found = self.encoder(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state.float()
        if batch.words is None:
            weights = batch.mask.unsqueeze(-1).float()
            pooled = (found * weights).sum(1)
        else:
            sums = torch.cat([found.new_zeros(len(found), 1, self.dim), found.cumsum(1)], dim=1)
            rows, first, behind = batch.words.unbind(1)
            pooled = sums[rows, behind] - sums[rows, first]
        return normalize(pooled, dim=-1) * self.dim**0.5

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits, ``(n, options)``."""
        return self.output(self.states(batch))

    @contextmanager
    def without_adapter(self) -> Iterator[None]:
        """Answer as the base model does."""
        with self.encoder.disable_adapter() if hasattr(self.encoder, "disable_adapter") else nullcontext():
            yield

    def save(self, folder: Path) -> None:
        """Write adapter and linear layer as safetensors."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        self.encoder.save_pretrained(folder, safe_serialization=True)
        (folder / "README.md").unlink(missing_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in self.output.state_dict().items()}, folder / OUTPUT)


def answer_rows(network: HeadNetwork, rows: Sequence[Row], ask: Callable[[Batch], Tensor], *, of_words: bool) -> list[Tensor]:
    """Return what ``ask`` (the network, or its ``states``) says of each row, ``(1, n)``, or of its words, ``(words, n)``."""
    found: list[Any] = [None] * len(rows)
    device = network.output.weight.device
    for numbers in batched_rows(rows):
        batch = [rows[number] for number in numbers]
        with torch.inference_mode():
            answers = ask(collate(batch, of_words=of_words, pad=network.pad).to(device)).cpu()
        sizes = [len(row.words) if of_words else 1 for row in batch]
        for number, own in zip(numbers, answers.split(sizes), strict=True):
            found[number] = own
    return found


def make_network(base: Base, n_options: int, shape: LoraShape | None, seed: int) -> tuple[HeadNetwork, Any]:
    """Return a network to be trained and its tokenizer.

    Args:
        shape: of the adapter; None trains all weights.
        seed: of the adapter's first, random matrices.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    set_seed(seed)
    encoder, tokenizer = _load_base(base)
    if shape is not None:
        config = LoraConfig(
            r=shape.rank,
            lora_alpha=shape.alpha,
            lora_dropout=shape.dropout,
            target_modules="all-linear",
            exclude_modules=["pooler.dense"] if getattr(encoder, "pooler", None) is not None else None,
            task_type="FEATURE_EXTRACTION",
        )
        encoder = get_peft_model(encoder, config)
    return HeadNetwork(encoder, n_options, tokenizer.pad_token_id or 0), tokenizer


def window_of(network: HeadNetwork, tokenizer: Any) -> int:
    """Return how many word pieces a head reads at once."""
    positions = int(getattr(network.encoder.config, "max_position_embeddings", MOST_TOKENS))
    return min(positions, int(tokenizer.model_max_length), MOST_TOKENS)


def load_network(folder: Path, base: Base, n_options: int) -> tuple[HeadNetwork, Any]:
    """Return a trained network and its tokenizer."""
    from peft import PeftModel
    from safetensors.torch import load_file

    encoder, tokenizer = _load_base(base)
    network = HeadNetwork(PeftModel.from_pretrained(encoder, folder), n_options, tokenizer.pad_token_id or 0)
    network.output.load_state_dict(load_file(folder / OUTPUT))
    return network.eval(), tokenizer


def _load_base(base: Base) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    options = {"trust_remote_code": False, "use_safetensors": True, "dtype": torch.float32}
    model = AutoModel.from_pretrained(base.folder, **options)
    return model, AutoTokenizer.from_pretrained(base.folder, trust_remote_code=False)
