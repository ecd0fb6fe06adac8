"""Typed labels: what an annotation says about a text, apart from how any tool writes it down.

Every converter, measure and screen speaks in these. Offsets count code points, ``end`` is exclusive, and
``text[start:end]`` is the marked stretch. Ids of regions are unique within one label and carry no meaning.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Self

from doyen.annotation.types.spans import Span
from doyen.core.errors import InputError
from doyen.core.records import REFUSAL
from doyen.core.text import is_blank


class LabelError(InputError):
    """A label is not valid.

    Attributes:
        problems: one sentence for each thing that is wrong, all of them at once.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


@dataclass(frozen=True)
class Region:
    """A marked stretch of the text with one label: an entity, a mention, or a token with its tag."""

    id: str
    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Relation:
    """A directed, labelled link between two regions of the same label, by their ids."""

    head: str
    tail: str
    label: str = ""


class Label(ABC):
    """What an annotator says about a text; a subclass for each form that this takes."""

    @abstractmethod
    def describe(self, text: str) -> str:
        """Return the label as a person reads it."""

    @abstractmethod
    def problems(self, text: str) -> Iterator[str]:
        """Yield what of it contradicts the text, or itself."""

    def stretches(self) -> Iterable[Region]:
        """Return the marked stretches of the text."""
        return ()

    def to_json(self) -> dict[str, Any]:
        """Return the label as JSON values; ``from_json`` is the inverse."""
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    @abstractmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the label that ``to_json`` wrote."""


@dataclass(frozen=True)
class Classes(Label):
    """The classes of a whole text (classification: one or several; sentiment: one)."""

    labels: tuple[str, ...]

    def describe(self, text: str) -> str:
        """Return the names."""
        return ", ".join(self.labels) or "none"

    def problems(self, text: str) -> Iterator[str]:
        """Yield classes without a name, and repeated ones."""
        if any(map(is_blank, self.labels)):
            yield "a class has no name"
        yield from (f"class {name!r} is given twice" for name in _repeated(self.labels))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the label that ``to_json`` wrote."""
        return cls(tuple(data["labels"]))


@dataclass(frozen=True)
class Marks(Label):
    """Marked stretches of a text, and relations between them."""

    regions: tuple[Region, ...] = ()
    relations: tuple[Relation, ...] = ()

    def stretches(self) -> Iterable[Region]:
        """Return the regions."""
        return self.regions

    def problems(self, text: str) -> Iterator[str]:
        """Yield regions outside the text or without a label, ids used twice, and relations to what is not there."""
        for region in self.regions:
            where = f"{region.start} to {region.end}"
            if not 0 <= region.start < region.end <= len(text):
                yield f"{region.label!r} at {where} lies outside the text of {len(text)} characters"
            if is_blank(region.label):
                yield f"the stretch {where} has no label"
        yield from (f"the id {name!r} stands for several stretches" for name in _repeated(each.id for each in self.regions))
        known = {region.id for region in self.regions}
        for relation in self.relations:
            for name in (relation.head, relation.tail):
                if name not in known:
                    yield f"relation {relation.label!r} names the stretch {name!r}, which is not there"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the label that ``to_json`` wrote."""
        regions = tuple(Region(**region) for region in data["regions"])
        return cls(regions, tuple(Relation(**relation) for relation in data["relations"]))


class Entities(Marks):
    """Named entities, which may overlap, and relations between them."""

    def describe(self, text: str) -> str:
        """Return the entities with their labels, then the relations."""
        spans = {region.id: f"{text[region.start : region.end]} [{region.label}]" for region in self.regions}
        links = [f"{spans[link.head]} → {link.label} → {spans[link.tail]}" for link in self.relations]
        return "; ".join([*spans.values(), *links]) or "none"


class Coreference(Marks):
    """Mentions, and relations between mentions that name the same thing; these have no label, and no direction."""

    def describe(self, text: str) -> str:
        """Return the mentions of each thing."""
        return "; ".join(" = ".join(text[m.start : m.end] for m in chain) for chain in self.chains()) or "none"

    def clusters(self) -> list[frozenset[str]]:
        """Return the ids of mentions that name the same thing, in the order of first mention; singletons included."""
        parent = {mention.id: mention.id for mention in self.regions}

        def root(node: str) -> str:
            while parent[node] != node:
                node = parent[node]
            return node

        for link in self.relations:
            parent[root(link.tail)] = root(link.head)
        found: dict[str, set[str]] = {}
        for mention in sorted(self.regions, key=lambda m: (m.start, m.end)):
            found.setdefault(root(mention.id), set()).add(mention.id)
        return [frozenset(members) for members in found.values()]

    def chains(self) -> list[list[Region]]:
        """Return the clusters as lists of mentions in the order of the text."""
        mentions = {mention.id: mention for mention in self.regions}
        return [sorted((mentions[name] for name in names), key=by_place) for names in self.clusters()]


class Tags(Marks):
    """Part-of-speech tags: one region a token, in order, without overlap, and no relations."""

    def describe(self, text: str) -> str:
        """Return the tokens with their tags."""
        return " ".join(f"{text[token.start : token.end]}/{token.label}" for token in self.regions) or "none"

    def problems(self, text: str) -> Iterator[str]:
        """Yield what is wrong with any marks, and tokens that overlap or are out of order."""
        yield from super().problems(text)
        for before, after in pairwise(self.regions):
            if after.start < before.end:
                yield f"the tokens at {before.start} and {after.start} overlap or stand in the wrong order"


MAX_RATING = 5


@dataclass(frozen=True)
class PromptResponse(Label):
    """A question, its answer and what proves it.

    Attributes:
        response: the answer; ``REFUSAL`` when the annotator found none.
        evidence: marked spans of the passage.
        quotes: evidence from elsewhere in the document, not shown in the passage.
        rating: 1 to 5, or None.
        overrides: fields of the pair that differ from what the task implies (only imported pairs have any).
    """

    prompt: str
    response: str
    answerable: bool
    evidence: tuple[Span, ...] = ()
    quotes: tuple[str, ...] = ()
    rating: int | None = None
    comment: str = ""
    overrides: dict[str, Any] | None = None

    def describe(self, text: str) -> str:
        """Return question, answer, evidence and rating."""
        quotes = [span.text for span in self.evidence] + list(self.quotes)
        evidence = " | evidence: " + " … ".join(quotes) if quotes else ""
        rating = f" | rating: {self.rating}" if self.rating is not None else ""
        return f"{self.prompt} → {self.response}{evidence}{rating}"

    def problems(self, text: str) -> Iterator[str]:
        """Yield empty fields, contradictions, evidence that the passage does not hold, and an impossible rating."""
        if is_blank(self.prompt):
            yield "the prompt is empty"
        if is_blank(self.response):
            yield "the response is empty"
        if self.answerable != (self.response.strip() != REFUSAL):
            yield f"answerable is {self.answerable}, which contradicts the response"
        for span in self.evidence:
            if not 0 <= span.start < span.end <= len(text):
                yield f"evidence {span.start} to {span.end} lies outside the passage of {len(text)} characters"
            elif text[span.start : span.end] != span.text:
                yield f"evidence {span.start} to {span.end} does not read {span.text[:40]!r} in the passage"
        if self.rating is not None and self.rating not in range(1, MAX_RATING + 1):
            yield f"the rating must be 1 to {MAX_RATING}, found {self.rating!r}"

    def stretches(self) -> Iterable[Region]:
        """Return the evidence, under that label."""
        return [Region(f"evidence-{n}", span.start, span.end, "evidence") for n, span in enumerate(self.evidence)]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the label that ``to_json`` wrote."""
        spans = tuple(Span(**span) for span in data["evidence"])
        return cls(**{**data, "evidence": spans, "quotes": tuple(data["quotes"])})


@dataclass(frozen=True)
class TypedLabel:
    """What a tool's annotation says, as it is stored.

    Attributes:
        label: what is sound of it; None: nothing that makes a label.
        problems: a sentence for each part that is not.
        reason: what an expert wrote as the reason, in a review.
    """

    label: Label | None
    problems: tuple[str, ...] = ()
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        label = self.label.to_json() if self.label is not None else None
        return {"label": label, "problems": list(self.problems), "reason": self.reason}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], label: type[Label]) -> TypedLabel:
        """Return what ``to_json`` wrote of a label of that class."""
        sound = data["label"]
        return cls(label.from_json(sound) if sound is not None else None, tuple(data["problems"]), data["reason"])


@dataclass(frozen=True)
class LabelledText:
    """One annotator's label of one text: what agreement compares and converters read and write.

    Attributes:
        item_id: the same for all labels of one item.
        text: what was labelled; for prompt/response the passage, which may be empty.
        annotator: e-mail address or another stable name; empty when unknown.
        created_at: ISO 8601, or empty.
        meta: whatever else a tool stored with the item (JSON values).
    """

    item_id: str
    text: str
    label: Label
    annotator: str = ""
    created_at: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


def prompt_of(label: Label | None) -> str:
    """Return the question that a label answers; empty for other types and for no label."""
    return label.prompt if isinstance(label, PromptResponse) else ""


def by_place(region: Region) -> tuple[int, int, str]:
    """Sort key: by start, then end, then label."""
    return region.start, region.end, region.label


def describe_problems(uid: str, annotator: str, problems: Iterable[str], *, kept: bool) -> list[str]:
    """Return a sentence for each part that is left out of a label (``kept``), or for each reason why none of it counts."""
    what = "left out of the label" if kept else "label"
    return [f"task {uid}, {what} of {annotator or 'unknown'}: {problem}" for problem in problems]


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def short(value: Any) -> str:
    """Return a value as a message shows it."""
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "…'"
