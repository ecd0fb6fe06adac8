"""A random BERT of two thin layers with the packaged embedder's tokenizer: heads are trained on it within a second or two."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertModel

from doyen.core.models import resolve_embedder


def make_tiny_encoder(folder: Path) -> Path:
    tokenizer = AutoTokenizer.from_pretrained(resolve_embedder("all-minilm-l6-v2")[0])
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    model = BertModel(config)
    with torch.no_grad():
        # A word's state is mostly its own embedding, as it would be after training.
        model.embeddings.position_embeddings.weight.mul_(0.05)
        for layer in model.encoder.layer:
            for weights in (layer.attention.output.dense.weight, layer.output.dense.weight):
                weights.mul_(0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
