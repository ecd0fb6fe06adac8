"""Reading before answering: which reader a workspace uses, what it finds as a citation, and when its words replace others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from doyen.core.answer_kinds import repeats
from doyen.core.answers import Citation, Extract, Passage
from doyen.core.errors import ModelMissing, NotFoundError
from doyen.core.files import sha256_file
from doyen.core.manifest import fingerprint
from doyen.core.settings import ServingSettings, Settings
from doyen.core.text import words
from doyen.finetune.registry import PRODUCTION, READER, Adapter, Registry
from doyen.platform.serving.verifier import Judgement
from doyen.retrieval.citations import citation_at
from doyen.retrieval.index_manifest import tuned_embedder_of
from doyen.retrieval.reading.findings import Finding, Findings, PassageReader
from doyen.retrieval.reading.reader_files import BASE, CONFIG, GENERAL_READER, WEIGHTS

GENERAL, NONE = "general", "none"
"""Values of ``serving.reader``: the reader that comes with Doyen, and no reading."""
NEARBY = 2
"""Sentences that a refusal shows: what the documents do say nearby."""
AGREEMENT = 1.0
"""What a span's score gains, in logits, where a generated answer says the same in the same words."""
YES_NO = frozenset({"yes", "no", "ja", "nein", "oui", "non", "sí", "si"})
OpenReader = Callable[[], PassageReader | None]


def reader_opener(registry: Registry, settings: Settings, index_folder: Path | None = None) -> OpenReader:
    """Return a function that gives the workspace's reader, or None; the same reader is loaded once.

    Its probability counts where it was fitted with the retriever and the embedder of the index as they are at the call.

    The function raises NotFoundError where the named reader is not registered, ModelMissing where its files are not there.
    """

    def open_it() -> PassageReader | None:
        from doyen.retrieval.reading.reader import open_reader

        if settings.serving.reader == NONE:
            return None
        found = find_reader(registry, settings.serving.reader)
        fitted = {"embedder": BASE, "retriever": "hybrid"} | (found.manifest["settings"]["retrieval"] if found else {})
        used = {name: getattr(settings.retrieval, name) for name in ("embedder", "retriever")}
        used["tuned"] = tuned_embedder_of(index_folder) if index_folder else None
        calibrated = all(fitted.get(name) == value for name, value in used.items())
        reader = open_reader(found.folder if found else GENERAL_READER)
        return PassageReader(reader, calibrated=calibrated, reranks=settings.retrieval.reranker == "reader")

    return open_it


def find_reader(registry: Registry, wanted: str | None) -> Adapter | None:
    """Return the trained reader that ``serving.reader`` stands for; None for the general one and for no reading.

    Raises:
        NotFoundError: there is no such reader.
    """
    if wanted in {GENERAL, NONE}:
        return None
    if wanted:
        try:
            adapter = registry.get(wanted)
        except NotFoundError as error:
            raise NotFoundError(f"serving.reader names no reader: {error}") from error
        if adapter.kind != READER:
            kind = "an adapter of a generator" if adapter.of_generator else "an embedder"
            raise NotFoundError(f"{wanted!r} is {kind}: name a reader, or leave serving.reader empty")
        return adapter
    # A promoted one whose files are gone is an error to be told, not a reason to read with another.
    readers = [each for each in registry.list(kind=READER) if each.has_weights or each.stage == PRODUCTION]
    return max(readers, key=lambda each: (each.stage == PRODUCTION, each.created_at, each.version), default=None)


def reader_identity(registry: Registry, settings: ServingSettings) -> str | None:
    """Return a fingerprint of the reader's files and of how it is used, None where nothing is read."""
    if settings.reader == NONE:
        return None
    found = find_reader(registry, settings.reader)
    folder = found.folder if found else GENERAL_READER
    if missing := [name for name in (WEIGHTS, CONFIG) if not (folder / name).is_file()]:
        raise ModelMissing(f"the reader in {folder} has no {missing[0]}: train it again, or set serving.reader to another one")
    files = [sha256_file(folder / name) for name in (WEIGHTS, CONFIG)]
    return fingerprint([*files, settings.read_passages, settings.risk, settings.sure])


def shown_passages(findings: Findings, count: int, *, span_first: bool) -> list[Passage]:
    """Return the passages that an answer rests on, best first.

    Args:
        count: at most so many.
        span_first: begin with the passage of the best span.
    """
    first = [finding.passage for finding in findings.spans[:1]] if span_first else []
    return [*first, *(passage for passage in findings.passages if passage not in first)][:count]


def extract_of(findings: Findings, passages: Sequence[Passage], generated: str = "") -> Extract | None:
    """Return the best span that stands in one of the passages.

    Args:
        generated: an answer to the same question; of spans that score alike, the one that agrees with it is better. Reader and
            generator err on different questions, so what both say is more often right than what either says.
    """
    said = words(generated)
    spans = [finding for finding in findings.spans if finding.passage in passages]
    best = max(spans, key=lambda finding: finding.score + AGREEMENT * _f1(said, words(finding.text)), default=None)
    if best is None:
        return None
    offset = best.passage.start
    return Extract(best.text, replace(citation_of(best, passages), span=(offset + best.start, offset + best.end)))


def citation_of(finding: Finding, passages: Sequence[Passage]) -> Citation:
    """Return the sentence of a finding as a citation of its passage."""
    return citation_at(passages, passages.index(finding.passage) + 1, *finding.sentence)


def nearby(findings: Findings, passages: Sequence[Passage]) -> list[Citation]:
    """Return the sentences nearest to the question, each once."""
    found = [citation_of(finding, passages) for finding in findings.spans if finding.passage in passages]
    return list({(citation.source, citation.start): citation for citation in found}.values())[:NEARBY]


def may_stand(question: str, answer: str, judgement: Judgement, extract: Extract) -> bool:
    """Whether a generated answer may stand where the extract could replace it.

    It may where it says yes or no, which no span can, where it says all that the extract says, and where the extract says only
    what the question does; not where its figures stand nowhere, nor where nothing supports it.
    """
    said = words(answer)
    if judgement.support == "number_not_found":
        return False
    if said[:1] and said[0] in YES_NO:
        return True
    says_all = not Counter(words(extract.text)) - Counter(said)
    return bool(judgement.citations) and (says_all or repeats(question, extract.text))


def _f1(said: Sequence[str], span: Sequence[str]) -> float:
    shared = sum((Counter(said) & Counter(span)).values())
    return 2 * shared / (len(said) + len(span)) if shared else 0.0
