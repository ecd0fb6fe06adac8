"""What the published index holds, read from its files."""

from __future__ import annotations

import numpy as np

from doyen.core.workspace import Workspace
from doyen.retrieval.flat_vectors import open_vectors
from doyen.retrieval.index_manifest import read_manifest
from doyen.retrieval.lexical import LexicalIndex, load_lexical
from doyen.retrieval.lexical_merge import merge_lexical
from doyen.retrieval.segments import lexical_folder


def published_words(workspace: Workspace) -> LexicalIndex:
    """Return all segments as one lexical index."""
    manifest = read_manifest(workspace.index_folder)
    parts = [load_lexical(lexical_folder(workspace.index_folder / each.name)) for each in manifest.segments]
    return merge_lexical(parts, [each.dropped for each in manifest.segments])


def published_vectors(workspace: Workspace) -> dict[str, np.ndarray]:
    """Return the vectors of live pieces by piece."""
    found: dict[str, np.ndarray] = {}
    for segment in read_manifest(workspace.index_folder).segments:
        place = workspace.index_folder / segment.name
        index = open_vectors(place, load_lexical(lexical_folder(place)))
        names = sorted(name for name in index.names() if name.rpartition(":")[0] not in segment.dropped)
        names, rows = index.fetch(names)
        index.close()
        found |= dict(zip(names, rows, strict=True))
    return found
