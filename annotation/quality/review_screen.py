"""The expert's screen: the annotators' screen, with their answers above it and a field for the reason below."""

from __future__ import annotations

from lxml import etree

from doyen.annotation.quality.expert_answers import REASON
from doyen.annotation.types.typed_labels import (
    Classes,
    Coreference,
    Entities,
    Label,
    LabelledText,
    PromptResponse,
    Region,
    Tags,
)

ANSWERS = "answers"
"""Key of a review task's data: what each annotator answered, to be read."""


def review_config(config: str) -> str:
    """Return a task type's labelling configuration, extended for the expert."""
    view = etree.fromstring(config.encode("utf-8"))
    shown = next(tag for tag in view.iter() if tag.get("value") == "$text")
    above = [
        etree.Element("Header", value="The annotators' answers (each is also a prediction that you can take over)", size="5"),
        etree.Element("Table", name=ANSWERS, value=f"${ANSWERS}"),
    ]
    for position, tag in enumerate(above):
        view.insert(position, tag)
    below = [
        etree.Element("Header", value="Why do you decide so?", size="5"),
        etree.Element(
            "TextArea",
            name=REASON,
            toName=str(shown.get("name")),
            rows="2",
            maxSubmissions="1",
            editable="true",
            required="true",
            requiredMessage="Say why you decide so",
            placeholder="What the guideline or the document says; it is kept with the decision",
        ),
    ]
    view.extend(below)
    return etree.tostring(view, encoding="unicode", pretty_print=True)


def answers_shown(labels: tuple[LabelledText, ...]) -> dict[str, str]:
    """Return what the table above the screen shows. Names are left out: an expert should judge answers, not people."""
    return {f"Answer {number}": describe_label(label.label, label.text) for number, label in enumerate(labels, start=1)}


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
            spans = {region.id: _marked(region, text) for region in label.regions}
            links = [f"{spans[link.head]} → {link.label} → {spans[link.tail]}" for link in label.relations]
            return "; ".join([*spans.values(), *links]) or "none"
        case Coreference():
            mentions = {mention.id: mention for mention in label.mentions}
            chains = [sorted((mentions[name] for name in cluster), key=lambda m: m.start) for cluster in label.clusters()]
            return "; ".join(" = ".join(text[m.start : m.end] for m in chain) for chain in chains) or "none"
        case Tags():
            return " ".join(f"{text[token.start : token.end]}/{token.label}" for token in label.tokens) or "none"


def _marked(region: Region, text: str) -> str:
    return f"{text[region.start : region.end]} [{region.label}]"
