"""The reader's network: the packaged encoder, its upper layers trained to read, with heads for the span and for "answers".

The span head scores each token as the answer's first and as its last one, as in BERT (Devlin et al., arXiv 1810.04805,
section 4.2); ``[CLS]`` stands for "no answer" (section 4.3). The third head says whether the passage answers at all.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from doyen.core.errors import ModelMissing
from doyen.core.files import write_json_atomic
from doyen.core.models import resolve_embedder
from doyen.retrieval.reading.calibration import Calibration, Observation, Ranking, SpanObservation
from doyen.retrieval.reading.reader_files import BASE, CONFIG, GENERAL_READER, WEIGHTS
from doyen.retrieval.reading.token_windows import Batch

_LOWEST = -1e4


@dataclass(frozen=True)
class ReaderConfig:
    """What must be known to load a reader's weights.

    Attributes:
        base: name of the encoder.
        base_sha256: of its weights.
        first_trained_layer: layers from here on are in the reader's file; those below, and the word vectors, are the encoder's.
        ranking: fitted after training, as the calibrations.
        span_calibration: how probable it is that a span is right; None in readers of earlier versions.
    """

    base: str = BASE
    base_sha256: str = ""
    first_trained_layer: int = 0
    ranking: Ranking = field(default_factory=Ranking)
    calibration: Calibration = field(default_factory=Calibration)
    span_calibration: Calibration | None = None

    def __post_init__(self) -> None:
        spans = self.span_calibration
        if len(self.calibration.weights) != len(fields(Observation)) or (
            spans and len(spans.weights) != len(fields(SpanObservation))
        ):
            raise ValueError("a calibration has another number of weights than it has scores")


@dataclass(frozen=True)
class Scores:
    """What the network says of a batch, as logits.

    Attributes:
        start: (B, T) of each token as the first of the answer; very low where none may begin.
        end: (B, T) the same for the last.
        answers: (B,) of the passage answering the question.
    """

    start: Tensor
    end: Tensor
    answers: Tensor


class ReaderNetwork(nn.Module):
    """The encoder with the three heads."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.span = nn.Linear(encoder.config.hidden_size, 2)
        self.answers = nn.Linear(encoder.config.hidden_size, 1)

    def forward(self, batch: Batch) -> Scores:
        """Return the scores of a batch."""
        output = self.encoder(input_ids=batch.ids, token_type_ids=batch.parts, attention_mask=batch.mask.long())
        hidden = output.last_hidden_state
        start, end = self.span(hidden).float().masked_fill(~batch.spans[..., None], _LOWEST).unbind(-1)
        return Scores(start, end, self.answers(hidden[:, 0]).float().squeeze(-1))

    def trained(self, first_layer: int) -> dict[str, nn.Parameter]:
        """Return the parameters that training changes and files hold, by name."""
        layers = tuple(f"encoder.encoder.layer.{number}." for number in range(first_layer, len(self.encoder.encoder.layer)))
        return {name: value for name, value in self.named_parameters() if name.startswith((*layers, "span.", "answers."))}


def new_network() -> tuple[ReaderNetwork, Any, ReaderConfig]:
    """Return an untrained reader on the packaged encoder, its tokenizer and its configuration.

    Without dropout: on a processor, drawing its random numbers makes a step take half as long again.
    """
    from transformers import AutoModel, AutoTokenizer, logging

    logging.disable_progress_bar()
    folder, sha256 = resolve_embedder(BASE)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    encoder = AutoModel.from_pretrained(
        folder,
        attn_implementation="sdpa",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        trust_remote_code=False,
        use_safetensors=True,
    )
    encoder.pooler = None
    return ReaderNetwork(encoder), tokenizer, ReaderConfig(base_sha256=sha256)


def save_network(network: ReaderNetwork, config: ReaderConfig, folder: Path) -> None:
    """Write what was trained into a folder, in bfloat16, with its configuration."""
    tensors = {name: value.detach().to(torch.bfloat16) for name, value in network.trained(config.first_trained_layer).items()}
    save_file(tensors, folder / WEIGHTS)
    write_json_atomic(folder / CONFIG, asdict(config))


def load_network(folder: Path) -> tuple[ReaderNetwork, Any, ReaderConfig]:
    """Return the reader of a folder in float32, its tokenizer and configuration.

    Raises:
        ModelMissing: its files are not there, or were trained on another encoder than the packaged one.
    """
    try:
        config = TypeAdapter(ReaderConfig).validate_json((folder / CONFIG).read_bytes())
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise _unusable(folder, f"cannot be read ({error})") from error
    network, tokenizer, base = new_network()
    if config.base_sha256 != base.base_sha256:
        raise _unusable(folder, f"was trained on another encoder ({config.base})")
    expected = network.trained(config.first_trained_layer)
    if {name: value.shape for name, value in tensors.items()} != {name: value.shape for name, value in expected.items()}:
        raise _unusable(folder, f"does not have the layers of {config.base}")
    with torch.no_grad():
        for name, value in expected.items():
            value.copy_(tensors[name])
    return network.eval(), tokenizer, config


def _unusable(folder: Path, why: str) -> ModelMissing:
    remedy = (
        "install Doyen again"
        if folder == GENERAL_READER
        else 'train it again with `doyen train DATASET --reader`, or set serving.reader to "general"'
    )
    return ModelMissing(f"the reader in {folder} {why}: {remedy}")
