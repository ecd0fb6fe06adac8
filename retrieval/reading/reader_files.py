"""Where a reader's files are; read without loading PyTorch."""

from __future__ import annotations

from pathlib import Path

WEIGHTS, CONFIG = "reader.safetensors", "reader.json"
GENERAL_READER = Path(__file__).parent / "general"
"""The reader that comes with Doyen, trained on general questions; its card is beside it."""
