"""Finding models on this machine: packaged ones, local folders, hub ids; hashes are verified, pickles refused."""

from doyen.core.models.loading import LOADING, load_once
from doyen.core.models.resolve import (
    PACKAGED_EMBEDDERS,
    PACKAGED_GENERATORS,
    GeneratorFiles,
    cache_folder,
    resolve_embedder,
    resolve_generator,
    verify_again,
    wants_bfloat16,
)

__all__ = [
    "LOADING",
    "PACKAGED_EMBEDDERS",
    "PACKAGED_GENERATORS",
    "GeneratorFiles",
    "cache_folder",
    "load_once",
    "resolve_embedder",
    "resolve_generator",
    "verify_again",
    "wants_bfloat16",
]
