"""How much general loss depends on each weight of a base model: the Fisher information of its linear layers, in factors.

For each matrix the sums of its rows R and of its columns C are kept, as if the information of a weight were R·C / sum(R). It
is estimated once for each base model, on general requests with responses that the model itself draws: the true Fisher
information, not the empirical one (Kunstner et al., arXiv 1905.12558).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from doyen.core.files import new_folder
from doyen.core.manifest import fingerprint
from doyen.core.models import cache_folder
from doyen.core.progress import Reporter
from doyen.finetune.forgetting.general_pairs import FISHER_FORMAT, GENERAL_PAIRS, general_examples
from doyen.finetune.loss import response_logits, row_tensors
from doyen.finetune.packing import EncodedExample, pack

FILE = "fisher.safetensors"
SEED = 17
"""Of the responses that the model draws."""


@dataclass(frozen=True)
class Information:
    """Fisher information of one matrix of the base, a response token.

    Attributes:
        rows: (outputs,) sums.
        columns: (inputs,) sums; their total is that of the rows.
    """

    rows: Tensor
    columns: Tensor


Take = Callable[[str, Tensor], None]
Fisher = Mapping[str, Information]
"""By the name of the layer in the base model."""


def fisher_of(base_sha256: str, model: Any, tokenizer: Any, layers: Mapping[str, Any], reporter: Reporter) -> Fisher:
    """Return the information of some linear layers of a base model, estimated once on this machine.

    Args:
        model: the base model, without an adapter or with one that is switched off.
        layers: linear layers of it by their names.
    """
    about = [FISHER_FORMAT, base_sha256, list(layers), GENERAL_PAIRS.read_text(encoding="utf-8")]
    folder = cache_folder() / "fisher" / fingerprint(about)[:32]
    if not (folder / FILE).is_file():
        found = estimate_fisher(model, general_examples(tokenizer), layers, reporter)
        sums = {f"{name}/{part}": getattr(item, part) for name, item in found.items() for part in ("rows", "columns")}
        with new_folder(folder) as target:
            save_file(sums, target / FILE)
    return _read(folder / FILE, layers)


def _read(path: Path, layers: Iterable[str]) -> Fisher:
    sums = load_file(path)
    return {name: Information(sums[f"{name}/rows"], sums[f"{name}/columns"]) for name in layers}


def estimate_fisher(model: Any, examples: Sequence[EncodedExample], layers: Mapping[str, Any], reporter: Reporter) -> Fisher:
    """Return the information of some linear layers: squared gradients of drawn responses, a token, float32 on the processor."""
    rows: dict[str, Any] = defaultdict(float)
    columns: dict[str, Any] = defaultdict(float)
    tokens = 0
    draw = torch.Generator().manual_seed(SEED)
    model.eval()

    def add(name: str, gradient: Tensor) -> None:
        squared = gradient.square()
        rows[name] += squared.sum(1).cpu()
        columns[name] += squared.sum(0).cpu()

    with (
        _gradients_of_weights(model, layers, add),
        reporter.bar("estimating what general answers rest on", len(examples)) as bar,
    ):
        for example in examples:
            tensors = row_tensors(pack([example]), model.device)
            logits = response_logits(model, tensors).float()
            drawn = torch.multinomial(logits.detach().softmax(-1).cpu(), 1, generator=draw).squeeze(1)
            cross_entropy(logits, drawn.to(logits.device), reduction="sum").backward()
            tokens += len(drawn)
            bar.advance(1)
    return {name: Information(rows[name] / tokens, columns[name] / tokens) for name in layers}


@contextmanager
def _gradients_of_weights(model: Any, layers: Mapping[str, Any], take: Take) -> Iterator[None]:
    """Give the gradient of each layer's weight to ``take`` as it is computed; none is kept, and no weight needs one.

    The embeddings' output needs gradients instead, so that those of the layers' outputs exist.
    """
    handles = [model.get_input_embeddings().register_forward_hook(lambda _m, _i, output: output.requires_grad_())]
    handles += [layer.register_forward_hook(partial(_watch, name, take)) for name, layer in layers.items()]
    needing = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in needing:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for parameter in needing:
            parameter.requires_grad_(True)


def _watch(name: str, take: Take, _layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """When the gradient of a layer's output comes, give that of its weight: outputs × inputs, summed over positions."""
    fed = inputs[0].detach().flatten(0, -2).float()
    output.register_hook(lambda gradient: take(name, gradient.flatten(0, -2).float().T @ fed))
