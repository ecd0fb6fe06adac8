"""Exact and near duplicates among documents.

Near duplicates are found with MinHash signatures and locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman and
Ullman, Mining of Massive Datasets, chapter 3) over word 5-grams; each candidate pair is then verified by its true Jaccard
similarity, so that the approximation can miss a pair but never invent one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

PERMUTATIONS = 128
SHINGLE_WORDS = 5
SHINGLE_LETTERS = 8
BATCH = 4096
SCHEME: Literal["affine32"] = "affine32"
HASH_TYPE = "<u4"
CANDIDATE_SHARE = 0.8
"""Candidates are sought from this share of the threshold on: at the threshold itself LSH misses a third of the pairs."""
FEW = 16
"""Documents that are compared with all others one by one instead of sorting the bands of all."""
_WORD = re.compile(r"\w+")


def text_hash(text: str) -> str:
    """Return the SHA-256 of a parsed text: files that differ in bytes alone (encoding, line ends) are exact duplicates."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def shingles(text: str) -> set[str]:
    """Return the word 5-grams of a text, letter 8-grams where words are not parted by spaces."""
    words = _WORD.findall(text.lower())
    letters = sum(map(len, words))
    if words and letters / len(words) > 15:
        joined = "".join(words)
        return {joined[i : i + SHINGLE_LETTERS] for i in range(max(1, len(joined) - SHINGLE_LETTERS + 1))}
    return {" ".join(words[i : i + SHINGLE_WORDS]) for i in range(max(1, len(words) - SHINGLE_WORDS + 1))}


def jaccard(a: set[str], b: set[str]) -> float:
    """Return the share of common members; 1.0 for two empty sets."""
    return len(a & b) / len(a | b) if a or b else 1.0


def signature(text: str) -> bytes:
    """Return the MinHash of a text: 128 unsigned 32-bit numbers, little endian."""
    from datasketch import MinHash

    minhash = MinHash(num_perm=PERMUTATIONS, scheme=SCHEME)
    encoded = [shingle.encode("utf-8") for shingle in shingles(text)]
    for first in range(0, len(encoded), BATCH):
        minhash.update_batch(encoded[first : first + BATCH])
    values: NDArray[np.uint32] = np.asarray(minhash.hashvalues, dtype=HASH_TYPE)
    return values.tobytes()


def near_groups(
    signatures: Mapping[str, bytes],
    text_of: Callable[[str], str],
    threshold: float,
    settled: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Group documents whose texts are alike.

    Args:
        signatures: document id to signature.
        text_of: returns the text of a document; called only for candidates.
        threshold: least Jaccard similarity of two documents that are put together. Groups are transitive.
        settled: document id to group of documents that have been compared with each other, which is not done again.

    Returns:
        Document id to group; a group is named by the smallest of its document ids.
    """
    parent = {document: (settled or {}).get(document, document) for document in signatures}

    def root(document: str) -> str:
        while parent[document] != document:
            parent[document] = parent[parent[document]]
            document = parent[document]
        return document

    sets: dict[str, set[str]] = {}
    different: set[tuple[str, str]] = set()
    for a, b in _candidates(signatures, threshold, settled or {}):
        if root(a) == root(b) or (a, b) in different:
            continue
        for document in (a, b):
            if document not in sets:
                sets[document] = shingles(text_of(document))
        if jaccard(sets[a], sets[b]) >= threshold:
            low, high = sorted((root(a), root(b)))
            parent[high] = low
        else:
            different.add((a, b))
    return {document: root(document) for document in signatures}


def _candidates(signatures: Mapping[str, bytes], threshold: float, settled: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Yield pairs that share a band of their signatures, the smaller id first, without pairs of settled documents."""
    documents = sorted(signatures)
    if not documents:
        return
    open_rows = np.array([document not in settled for document in documents])
    matrix = np.frombuffer(b"".join(signatures[document] for document in documents), HASH_TYPE).reshape(len(documents), -1)
    count, rows_each = _bands(threshold)
    if int(open_rows.sum()) <= FEW:
        yield from _compare(documents, matrix[:, : count * rows_each].reshape(len(documents), count, rows_each), open_rows)
        return
    for band in range(count):
        keys = np.ascontiguousarray(matrix[:, band * rows_each : (band + 1) * rows_each]).view(f"V{4 * rows_each}").ravel()
        order = np.argsort(keys, kind="stable")
        edges = np.flatnonzero(np.append(True, keys[order][1:] != keys[order][:-1]))
        for rows in np.split(order, edges[1:]):
            if len(rows) > 1 and open_rows[rows].any():
                for a, b in combinations(rows.tolist(), 2):
                    if open_rows[a] or open_rows[b]:
                        yield documents[a], documents[b]


@lru_cache
def _bands(threshold: float) -> tuple[int, int]:
    """Return how many bands a signature is cut into, and the numbers in each, for a similarity that is sought."""
    from datasketch import MinHashLSH

    plan = MinHashLSH(threshold=max(0.05, CANDIDATE_SHARE * threshold), num_perm=PERMUTATIONS)
    return plan.b, plan.r


def _compare(documents: list[str], bands: NDArray[np.uint32], open_rows: NDArray[np.bool_]) -> Iterable[tuple[str, str]]:
    """Yield the same pairs by comparing each document that is not settled with all others: an upload is one document."""
    for row in np.flatnonzero(open_rows).tolist():
        alike = (bands == bands[row]).all(axis=2).any(axis=1)
        for other in np.flatnonzero(alike).tolist():
            if other != row and (not open_rows[other] or other > row):
                yield documents[min(row, other)], documents[max(row, other)]
