"""Documents that are versions of one another: the newest comes first, the others are known as superseded.

    SP-410-02_rev_B   Revision B, 2021-03-14  ─┐ same name and title but for the revision, texts alike,
    SP-410-02_rev_C   Revision C, 2023-10-02  ─┘ and it can be told which one is newer

Nothing is left out: a question that names an older revision gets it first. Reports of a period do not supersede each other.

    found      B torque   manual   B records   C general   C torque      (C records was not found)
    looked up  C records                                                 see `Versions.to_look_up`
    ordered    C torque   B torque   manual   C records   B records   C general
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cmp_to_key

import numpy as np
from sqlalchemy import select

from doyen.core.answers import Passage
from doyen.core.batches import batched
from doyen.core.store import Store
from doyen.core.store.schema import DocumentRow, DocumentSignatureRow
from doyen.ingestion.duplicates import HASH_TYPE
from doyen.ingestion.revisions import Revision, asks_for_earlier, names_revision, without_revision
from doyen.retrieval.document_facts import Facts
from doyen.retrieval.tokens import likeness

ALIKE = 0.03
"""Least similarity of two texts (Jaccard of word 5-grams, estimated) whose names are the same but for the revision. Revised
procedures measure 0.08 to 0.22, release notes of one product 0.00."""
TWINS = 0.4
"""Least likeness of two passages that say something about the same. Of what a revision changes, numbers mostly, that leaves
enough, and two passages of one place may begin and end differently."""

_PERIODICAL = re.compile(
    r"\b(?:annual|quarterly|monthly|weekly|interim|fiscal|quarter|q[1-4]|10 ?[kq]|8 ?k|earnings|minutes|newsletter|"
    r"release notes|changelog|jahresbericht|quartal\w*|monatsbericht|protokoll)\b"
)


@dataclass(frozen=True)
class Mark:
    """Which version of its document a document is.

    Attributes:
        revision, superseded_by: as in `Passage`.
    """

    revision: str = ""
    superseded_by: str | None = None


@dataclass(frozen=True)
class Versions:
    """The families of an index's documents.

    Attributes:
        families: by document id, the ids of its family, newest first; documents without another version have none.
        revisions: of the documents in families.
    """

    families: Mapping[str, Sequence[str]]
    revisions: Mapping[str, Revision]

    def newest_first(self, passages: Sequence[Passage], query: str) -> list[Passage]:
        """Return the passages in an order in which the newest version of a document comes before the others.

        Its passages that are like one of another version take that one's place, since they say what is in force there. Where
        the query asks for an older revision, that one comes first. Versions of which nothing was found are not looked at, so
        that a document which may not be read replaces nothing.
        """
        ordered = list(passages)
        present = {passage.document_id for passage in passages}
        for family in self._families_of(passages):
            wanted = self._wanted([document for document in family if document in present], query)
            for other in [each for each in ordered if each.document_id in family and each.document_id != wanted]:
                for twin in [each for each in ordered if each.document_id == wanted and are_twins(each, other)]:
                    _move_before(ordered, twin, other)
            first = next(each for each in ordered if each.document_id in family)
            lead = next(each for each in ordered if each.document_id == wanted)
            _move_before(ordered, lead, first)
        return ordered

    def to_look_up(self, passages: Sequence[Passage], query: str) -> set[str]:
        """Return the documents that hold what is wanted in the place of passages of another version, but were not found there.

        They are the newest versions, or those that the query asks for.
        """
        missing = set[str]()
        for family in self._families_of(passages):
            wanted = self._wanted(family, query)
            found = [passage for passage in passages if passage.document_id == wanted]
            others = [passage for passage in passages if passage.document_id in family and passage.document_id != wanted]
            if not all(any(are_twins(each, other) for each in found) for other in others):
                missing.add(wanted)
        return missing

    def marked(self, passages: Sequence[Passage], sources: Callable[[Collection[str]], Mapping[str, str]]) -> list[Passage]:
        """Return the passages with their revisions, and with the source of the newest version where that is another one.

        Args:
            sources: gives the sources of those of the documents that may be named.
        """
        marks = self.marks({passage.document_id for passage in passages}, sources)
        return [
            replace(passage, revision=mark.revision, superseded_by=mark.superseded_by)
            if (mark := marks.get(passage.document_id))
            else passage
            for passage in passages
        ]

    def marks(self, documents: Collection[str], sources: Callable[[Collection[str]], Mapping[str, str]]) -> dict[str, Mark]:
        """Return the marks of those of the documents that have another version.

        Args:
            documents: ids.
            sources: as in `marked`.
        """
        families = {document: self.families[document] for document in documents if document in self.families}
        named = sources({each for family in families.values() for each in family})
        return {document: self._mark(document, family, named) for document, family in families.items()}

    def _mark(self, document: str, family: Sequence[str], named: Mapping[str, str]) -> Mark:
        newer = [named[each] for each in family[: family.index(document)] if each in named]
        return Mark(self.revisions[document].shown, newer[0] if newer else None)

    def _families_of(self, passages: Sequence[Passage]) -> list[Sequence[str]]:
        """Return the families that the passages' documents belong to, each once."""
        found = (self.families[each.document_id] for each in passages if each.document_id in self.families)
        return list({family[0]: family for family in found}.values())

    def _wanted(self, there: Sequence[str], query: str) -> str:
        """Return which of the versions, newest first, a query wants."""
        named = [each for each in there if names_revision(query, self.revisions[each])]
        if not named and asks_for_earlier(query):
            named = list(there[1:])
        return (named or there)[0]


def are_twins(one: Passage, other: Passage) -> bool:
    """Whether passages of two versions of a document say something about the same."""
    return likeness(one.text, other.text) >= TWINS


def find_versions(store: Store, facts: Facts, near: Mapping[str, str] | None = None) -> Versions:
    """Return the families of documents.

    Args:
        facts: of the documents that are looked at.
        near: near-duplicate groups by document that stand for those of the store.
    """
    rows = _rows(store, [each for each, known in facts.items() if known.revision.rank or known.revision.dated])
    groups: dict[tuple[str, str], list[str]] = {}
    for document, (title, near_group) in rows.items():
        name, near_group = without_revision(title), (near or {}).get(document, near_group)
        if not _PERIODICAL.search(name) and not _PERIODICAL.search(facts[document].revision.stem):
            groups.setdefault((name, facts[document].revision.stem), []).append(document)
            groups.setdefault((name, f"\n{near_group}"), []).append(document)
    families: dict[str, Sequence[str]] = {}
    for (_, key), members in groups.items():
        if len(members) > 1:
            for family in _families(store, members, facts, near=key.startswith("\n")):
                if not any(document in families for document in family):
                    families |= dict.fromkeys(family, family)
    return Versions(families, {document: facts[document].revision for document in families})


def _move_before(passages: list[Passage], moved: Passage, other: Passage) -> None:
    """Move a passage that comes after another one before it, with its score."""
    place, target = passages.index(moved), passages.index(other)
    if place > target:
        passages.insert(target, replace(passages.pop(place), score=other.score))


def _rows(store: Store, documents: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return title and near-duplicate group by document."""
    found: dict[str, tuple[str, str]] = {}
    with store.session() as session:
        for part in batched(documents):
            query = select(DocumentRow.document_id, DocumentRow.title, DocumentRow.near_group)
            for document, title, group in session.execute(query.where(DocumentRow.document_id.in_(part))):
                found[document] = title, group
    return found


def _families(store: Store, members: list[str], facts: Facts, *, near: bool) -> list[list[str]]:
    """Return families among documents of one name, newest first: each member is a version of the newest one."""

    def newer_first(one: str, other: str) -> int:
        newer = facts[one].revision.is_newer(facts[other].revision)
        return 0 if newer is None else -1 if newer else 1

    ordered = sorted(sorted(members), key=cmp_to_key(newer_first))
    signatures = {} if near else _signatures(store, ordered)
    families: list[list[str]] = []
    for document in ordered:
        mine = facts[document].revision
        for family in families:
            newest = facts[family[0]].revision
            if newest.is_newer(mine) and (
                bool(mine.rank and newest.rank) if near else _alike(signatures.get(document), signatures.get(family[0]))
            ):
                family.append(document)
                break
        else:
            families.append([document])
    return [family for family in families if len(family) > 1]


def _signatures(store: Store, documents: Sequence[str]) -> dict[str, bytes]:
    signature, found = DocumentSignatureRow, dict[str, bytes]()
    with store.session() as session:
        for part in batched(documents):
            query = select(signature.document_id, signature.minhash).where(signature.document_id.in_(part))
            found |= dict(session.execute(query).tuples().all())
    return found


def _alike(one: bytes | None, other: bytes | None) -> bool:
    if one is None or other is None:
        return False
    return bool(np.mean(np.frombuffer(one, HASH_TYPE) == np.frombuffer(other, HASH_TYPE)) >= ALIKE)
