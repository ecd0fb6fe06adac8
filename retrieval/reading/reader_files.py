"""Where a reader's files are; read without loading PyTorch."""

from __future__ import annotations

from pathlib import Path

BASE = "all-minilm-l6-v2"
"""The packaged encoder that readers are trained on, and the embedder that the general one is calibrated with."""
WEIGHTS, CONFIG = "reader.safetensors", "reader.json"
GENERAL_READER = Path(__file__).parent / "general"
"""The reader that comes with Doyen, trained on general questions; its card is beside it."""
