"""Typed labels: what an annotation says about a text, apart from how any tool writes it down.

Every converter, measure and screen speaks in these. Offsets count code points, ``end`` is exclusive, and
``text[start:end]`` is the marked stretch. Ids of regions are unique within one label and carry no meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from doyen.annotation.types.descriptions import TypeName
from doyen.annotation.types.spans import Span
from doyen.core.errors import InputError


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


@dataclass(frozen=True)
class Classes:
    """The classes of a whole text (classification: one or several; sentiment: one)."""

    labels: tuple[str, ...]


@dataclass(frozen=True)
class Marks:
    """Marked stretches of a text, and relations between them."""

    regions: tuple[Region, ...] = ()
    relations: tuple[Relation, ...] = ()


class Entities(Marks):
    """Named entities, which may overlap, and relations between them."""


class Coreference(Marks):
    """Mentions, and relations between mentions that name the same thing; these have no label, and no direction."""

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


MAX_RATING = 5


@dataclass(frozen=True)
class PromptResponse:
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


Label: TypeAlias = PromptResponse | Classes | Entities | Coreference | Tags
MARK_TYPES: dict[str, type[Entities] | type[Coreference] | type[Tags]] = {
    TypeName.ENTITIES: Entities,
    TypeName.COREFERENCE: Coreference,
    TypeName.POS: Tags,
}
LABEL_TYPES: dict[str, type[Label]] = {
    TypeName.PROMPT_RESPONSE: PromptResponse,
    TypeName.CLASSIFICATION: Classes,
    TypeName.SENTIMENT: Classes,
    **MARK_TYPES,
}
"""Task type → the class of its labels."""


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


def regions_of(label: Label) -> Iterator[Region]:
    """Yield the marked stretches of a label, whatever its type."""
    if isinstance(label, Marks):
        yield from label.regions
    elif isinstance(label, PromptResponse):
        for number, span in enumerate(label.evidence):
            yield Region(f"evidence-{number}", span.start, span.end, "evidence")


def describe_label(label: Label, text: str) -> str:
    """Return a label as a person reads it."""
    match label:
        case PromptResponse():
            quotes = [span.text for span in label.evidence] + list(label.quotes)
            evidence = " | evidence: " + " … ".join(quotes) if quotes else ""
            rating = f" | rating: {label.rating}" if label.rating is not None else ""
            return f"{label.prompt} → {label.response}{evidence}{rating}"
        case Classes():
            return ", ".join(label.labels) or "none"
        case Entities():
            spans = {region.id: f"{text[region.start : region.end]} [{region.label}]" for region in label.regions}
            links = [f"{spans[link.head]} → {link.label} → {spans[link.tail]}" for link in label.relations]
            return "; ".join([*spans.values(), *links]) or "none"
        case Coreference():
            return "; ".join(" = ".join(text[m.start : m.end] for m in chain) for chain in label.chains()) or "none"
        case Tags():
            return " ".join(f"{text[token.start : token.end]}/{token.label}" for token in label.regions) or "none"


def describe_problems(uid: str, annotator: str, problems: Iterable[str], *, kept: bool) -> list[str]:
    """Return a sentence for each part that is left out of a label (``kept``), or for each reason why none of it counts."""
    what = "left out of the label" if kept else "label"
    return [f"task {uid}, {what} of {annotator or 'unknown'}: {problem}" for problem in problems]


def short(value: Any) -> str:
    """Return a value as a message shows it."""
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "…'"
