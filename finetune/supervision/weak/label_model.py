"""Snorkel's LabelModel: how far each labelling function is right is learnt from where they agree, without any true label.

Source: Ratner et al. (AAAI 2019, arXiv 1810.02840), "Training complex models with multi-task weak supervision", for functions
that err independently of each other given the true class. With mu[(i, j), y] = P(function i says j | the class is y), P the
diagonal of class shares and O the share of texts on which two functions say two things, blocks of one function aside

    O = mu P muᵀ,    and for each function    diag(O) = mu P 1.

Steps, starting point and precision follow snorkel 0.10, so that both give the same probabilities.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doyen.core.errors import InputError
from doyen.finetune.supervision.weak.votes import ABSTAIN, Matrix

LEAST_FUNCTIONS = 3
"""With two, any pair of accuracies explains how often they agree."""
PRECISION = 0.7
"""How far a function is trusted at the start."""
MOMENTUM = 0.9
LARGEST_MARGIN = 0.01
"""Probabilities stay this far from 0 and 1 at most; nearer with more texts."""


@dataclass(frozen=True)
class LabelModel:
    """A fitted model.

    Attributes:
        emission: (m functions, k classes voted for, k true classes): P(vote | class); what is missing to 1 is abstention.
        balance: (k,) shares of the classes.
    """

    emission: NDArray[np.float64]
    balance: NDArray[np.float64]

    def probabilities(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return (n, k) P(class | votes); of a text without votes, the shares of the classes.

        Abstentions say nothing of the class.
        """
        logs = np.tile(np.log(self.balance), (len(matrix), 1))
        for function, votes in enumerate(matrix.T):
            voted = votes != ABSTAIN
            logs[voted] += np.log(self.emission[function])[votes[voted]]
        logs -= logs.max(axis=1, keepdims=True)
        shares = np.exp(logs)
        return shares / shares.sum(axis=1, keepdims=True)

    def accuracies(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return (m,) how probable it is that a vote of each function is right."""
        right = np.einsum("myy,y->m", self.emission, self.balance)
        coverage = (matrix != ABSTAIN).mean(axis=0)
        return np.clip(right / np.maximum(coverage, 1e-12), 1e-6, 1.0)


def fit_label_model(
    matrix: Matrix,
    classes: int,
    *,
    balance: NDArray[np.float64] | None = None,
    epochs: int = 100,
    learning_rate: float = 0.01,
    seed: int = 0,
) -> LabelModel:
    """Fit the model by gradient descent.

    Args:
        matrix: (n, m) votes, ``ABSTAIN`` or 0 to classes - 1.
        balance: (k,) shares of the classes, all above 0; None: all alike.
        epochs: steps; each sees all texts.
        seed: of the starting point's scale.

    Raises:
        InputError: there are fewer than three functions.
    """
    import torch

    texts, functions = matrix.shape
    if functions < LEAST_FUNCTIONS:
        raise InputError(
            f"the label model needs {LEAST_FUNCTIONS} labelling functions, found {functions}: "
            "write more, or aggregate by majority or dawid-skene"
        )
    shares = np.full(classes, 1 / classes) if balance is None else np.asarray(balance, np.float64)
    said = (matrix[:, :, None] == np.arange(classes)).reshape(texts, functions * classes).astype(np.float64)
    overlaps = torch.from_numpy(said.T @ said / texts).float()
    own = torch.arange(functions * classes) // classes
    others = own[:, None] != own
    prior = torch.diag(torch.from_numpy(shares)).float()
    mu = _start(overlaps, shares, functions, seed).requires_grad_()
    optimizer = torch.optim.SGD([mu], lr=learning_rate, momentum=MOMENTUM)
    for _ in range(epochs):
        optimizer.zero_grad()
        pairs = torch.norm((overlaps - mu @ prior @ mu.t())[others]) ** 2
        single = torch.norm(torch.sum(mu @ prior, 1) - torch.diag(overlaps)) ** 2
        (pairs + single).backward()
        optimizer.step()
    margin = min(LARGEST_MARGIN, 1 / 10 ** np.ceil(np.log10(texts)))
    found = mu.detach().clamp(margin, 1 - margin).numpy()
    found = found @ _trusting_order(found, shares, functions)
    return LabelModel(found.astype(np.float32).astype(np.float64).reshape(functions, classes, classes), shares)


def _start(overlaps: Any, shares: NDArray[np.float64], functions: int, seed: int) -> Any:
    """Return parameters under which each function is right with probability ``PRECISION``, scaled at random."""
    import torch

    classes = len(shares)
    spoken = torch.diag(overlaps).numpy()
    start = torch.zeros(functions * classes, classes)
    for row in range(functions * classes):
        precise = PRECISION * torch.ones(1)
        start[row, row % classes] = torch.clamp(spoken[row] * precise[0] / shares[row % classes], 0, 1)
    return start * np.random.RandomState(seed).random_sample()


def _trusting_order(mu: NDArray[Any], shares: NDArray[np.float64], functions: int) -> NDArray[np.float64]:
    """Return the permutation of classes of equal share under which the functions are right most often.

    Such classes can change places without any change to what is observed.
    """
    from scipy.optimize import linear_sum_assignment

    classes = len(shares)
    right = mu.reshape(functions, classes, classes).sum(axis=0) @ np.diag(shares)
    groups: dict[float, list[int]] = defaultdict(list)
    for number, share in enumerate(shares):
        groups[float(np.around(share, 3))].append(number)
    order = np.zeros((classes, classes))
    for members in groups.values():
        for row, column in zip(*linear_sum_assignment(-right[np.ix_(members, members)].T), strict=True):
            order[members[row], members[column]] = 1.0
    return order
