"""A trained head, opened: texts in, probabilities of classes or of words' tags out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from doyen.annotation.types.tokenizer import tokenise
from doyen.core.errors import IncompatibleError, InputError
from doyen.core.models import torch_device
from doyen.core.models.loading import LOADING
from doyen.finetune.heads.head_config import HeadConfig, HeadType, Probe, read_config
from doyen.finetune.heads.head_examples import Floats, Places
from doyen.finetune.heads.head_network import Base, HeadNetwork, answer_rows, load_network
from doyen.finetune.heads.head_rows import Row, text_rows, word_rows

PROBE_TEXTS = (
    "The delivery arrived two weeks late and nobody could say why.",
    "Dr. Maria Keller of Norwick Ltd visited Lisbon on 3 May 2021.",
    "Please replace the filter, part 410-778, every 500 hours.",
)
"""What every head is asked after training and after each load."""
AGREEMENT = 0.1
"""Share of the adapter's effect by which a loaded head may differ from the trained one."""
ROUNDING = 1e-3
"""Logits may differ by so much between machines, whatever the adapter's effect."""


@dataclass(frozen=True)
class Scored:
    """What a head says of a text.

    Attributes:
        probabilities: ``(options,)``, of words ``(len(words), options)``.
        words: start and end of each word; empty where the whole text has classes.
        cut: whether the text goes on behind what was read.
    """

    text: str
    probabilities: Floats
    words: Places = ()
    cut: bool = False


class Head:
    """Answers for one trained head; safe to call from several threads.

    Attributes:
        config: what it decides.
    """

    def __init__(self, config: HeadConfig, network: HeadNetwork, tokenizer: Any) -> None:
        self.config = config
        self._network, self._tokenizer = network.to(torch_device()).eval(), tokenizer
        self._lock = threading.Lock()

    def score(self, texts: Sequence[str], words: Sequence[Places] | None = None) -> list[Scored]:
        """Return the probabilities of each text's options.

        Args:
            words: what is tagged of each text; None takes its words, numbers and signs.
        """
        of_words = self.config.type.of_words
        cuts = [tuple(tokenise(text)) if of_words else () for text in texts] if words is None else list(words)
        rows = self._rows(texts, cuts)
        shares = [self.probabilities(logits) for logits in self._answers(texts, cuts, rows, self._network)]
        if of_words:
            return [Scored(*each) for each in zip(texts, shares, cuts, strict=True)]
        return [Scored(row_text, own[0], cut=row.cut) for row_text, own, row in zip(texts, shares, rows, strict=True)]

    def logits(self, texts: Sequence[str], words: Sequence[Places]) -> list[Floats]:
        """Return the logits of each text, ``(1, options)``, or of its words, ``(words, options)``."""
        return self._answers(texts, words, self._rows(texts, words), self._network)

    def states(self, texts: Sequence[str]) -> list[Floats]:
        """Return what the linear layer sees of each text, ``(1, dim)``, or of its words, ``(words, dim)``."""
        words = [tuple(tokenise(text)) if self.config.type.of_words else () for text in texts]
        return self._answers(texts, words, self._rows(texts, words), self._network.states)

    def probabilities_of_states(self, states: Floats) -> Floats:
        """Return the probabilities that the linear layer gives states, ``(n, options)``."""
        with torch.inference_mode():
            device = self._network.output.weight.device
            return self.probabilities(self._network.output(torch.from_numpy(states).to(device)).cpu().numpy())

    def probabilities(self, logits: Floats) -> Floats:
        """Return logits ``(n, options)`` as calibrated probabilities."""
        scaled = torch.from_numpy(logits) / self.config.temperature
        several = self.config.type == HeadType.MULTI_LABEL
        shares: Floats = (torch.sigmoid(scaled) if several else torch.softmax(scaled, dim=-1)).numpy()
        return shares

    def probe(self) -> Probe:
        """Ask what every head is asked, with the adapter and without."""
        own = self._probed()
        with self._network.without_adapter():
            base = self._probed()
        return Probe(PROBE_TEXTS, own, base)

    def _probed(self) -> tuple[tuple[float, ...], ...]:
        words = [tuple(tokenise(text)) if self.config.type.of_words else () for text in PROBE_TEXTS]
        means = [logits.mean(axis=0) for logits in self.logits(PROBE_TEXTS, words)]
        return tuple(tuple(round(float(value), 5) for value in mean) for mean in means)

    def _rows(self, texts: Sequence[str], words: Sequence[Places]) -> list[Row]:
        most = self.config.max_tokens
        if self.config.type.of_words:
            return word_rows(self._tokenizer, texts, words, most)
        return text_rows(self._tokenizer, texts, most)

    def _answers(
        self, texts: Sequence[str], words: Sequence[Places], rows: Sequence[Row], ask: Callable[[Any], Tensor]
    ) -> list[Floats]:
        of_words = self.config.type.of_words
        with self._lock:
            found = answer_rows(self._network, rows, ask, of_words=of_words)
        if not of_words:
            return [own.numpy() for own in found]
        width = found[0].shape[1] if found else 0
        made: list[Floats] = [np.zeros((len(own), width), np.float32) for own in words]
        for row, answers in zip(rows, found, strict=True):
            made[row.text][list(row.words)] = answers.numpy()
        return made


def open_head(folder: Path, find_base: Callable[[str], Base]) -> Head:
    """Load a head and make sure that it says what it said when it was trained.

    Args:
        folder: of the registered version.
        find_base: gives the model of a name.

    Raises:
        IncompatibleError: it was trained on other weights, cannot be read, or does not act as it did.
        ModelMissing: the base is not there.
    """
    config = read_config(folder)
    base = find_base(config.base)
    if base.sha256 != config.base_sha256:
        raise IncompatibleError(
            f"the head in {folder} was trained on {config.base} with the weights {config.base_sha256[:12]}, and these are "
            f"{base.sha256[:12]}: train it again"
        )
    with LOADING:
        head = Head(config, *load_network(folder, base, len(config.options)))
    check_probe(config.probe, head.probe())
    return head


def check_probe(trained: Probe, loaded: Probe) -> None:
    """Make sure that a loaded head agrees with the trained one, by less than it differs from the base.

    Raises:
        IncompatibleError: it does not.
    """
    effect = _distance(trained.logits, trained.base_logits)
    off = _distance(trained.logits, loaded.logits)
    if off > max(ROUNDING, AGREEMENT * effect):
        raise IncompatibleError(
            f"the head does not say what it said when it was trained (its logits are off by {off:.3g}, and all that the "
            f"adapter changes is {effect:.3g}): its files, or the base, have changed: train it again"
        )


def require_effect(probe: Probe) -> None:
    """Make sure that training has changed what the encoder says: otherwise no load could tell whether the adapter works.

    Raises:
        InputError: it has not.
    """
    if _distance(probe.logits, probe.base_logits) <= ROUNDING:
        raise InputError(
            "the adapter has changed nothing of what the encoder says: raise finetune.head_epochs or head_learning_rate"
        )


def _distance(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> float:
    return float(np.abs(np.array(a) - np.array(b)).max())
