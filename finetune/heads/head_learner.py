"""A trained head as what active learning asks how sure it is: no model is fitted, its own layer decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from doyen.finetune.heads.head import Head
from doyen.finetune.heads.head_config import HeadType
from doyen.finetune.supervision.learners import Features, Floats, Model


class HeadLearner:
    """Features of texts as a head's linear layer sees them, and the layer as the model of them.

    Attributes:
        name: of the head, for the round's log.
    """

    def __init__(self, name: str, open_head: Callable[[], Head]) -> None:
        """Name a head; it is loaded when it is first asked."""
        self.name, self._open = name, open_head

    def features(self, texts: Sequence[str]) -> Features:
        """Return a row for each text, or for each of its words."""
        return Features.of_texts(self._open().states(texts))

    def model(self) -> Model:
        """Return the head's layer, with its calibrated probabilities."""
        head = self._open()
        several = head.config.type == HeadType.MULTI_LABEL

        def probabilities(rows: Floats) -> Floats:
            shares = head.probabilities_of_states(rows)
            return np.stack([1 - shares, shares], axis=2) if several else shares[:, None, :]

        return Model(head.config.options, probabilities)
