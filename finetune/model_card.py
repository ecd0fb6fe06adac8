"""The card of an adapter as Markdown, in the form that model hubs read: what it is, was made from, and how well it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from doyen.core.costs import COST, Spent, duration
from doyen.finetune.forgetting import FORGETTING, describe_forgetting

if TYPE_CHECKING:
    from doyen.finetune.registry import Adapter

SHOWN = ("token_f1", "key_facts", "exact_match", "rouge_l", "citation_precision", "refusal_accuracy", "over_refusal")
"""Metrics that stand on the card; reports have all."""


@dataclass(frozen=True)
class AdapterEvaluation:
    """What a report found out about an adapter.

    Attributes:
        report: its name in the workspace.
        n: questions.
        gate_open: whether its figures meet the rules for promotion; None where the report does not say.
        modes: mode to metric to ``{mean, low, high, n}``; low and high are the ends of the 95% interval.
    """

    report: str
    created_at: str
    n: int
    gate_open: bool | None
    modes: dict[str, dict[str, dict[str, Any]]]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class CardFacts:
    """What the workspace knows of an adapter beside its own manifest.

    Attributes:
        lineage: "name:version" of what it was trained from, the parent first.
        dataset: figures of its dataset's manifest.
        evaluations: newest first.
        in_use: why it cannot be collected.
    """

    lineage: Sequence[str] = ()
    dataset: Mapping[str, Any] = field(default_factory=dict)
    evaluations: Sequence[AdapterEvaluation] = ()
    in_use: Sequence[str] = ()


def card_text(adapter: Adapter, facts: CardFacts | None = None) -> str:
    """Return the card; without facts, what was known when training ended."""
    facts = facts or CardFacts()
    manifest = adapter.manifest
    sections = {
        "What it was made from": _origin(adapter, facts),
        "Settings": [f"- `{name}`: {value}" for name, value in sorted(manifest.get("settings", {}).items())],
        "Training": _training(manifest),
        "Evaluations": _evaluations(facts.evaluations),
        "Promotions": [_promotion(item) for item in manifest.get("promotions", [])],
        "In use": [f"- {reason}" for reason in facts.in_use],
        "Made with": _libraries(manifest),
    }
    blocks = [_head(adapter), f"# {adapter.ref}", _summary(adapter)]
    blocks += ["\n".join([f"## {title}", "", *lines]) for title, lines in sections.items() if lines]
    return "\n\n".join(blocks) + "\n"


def _head(adapter: Adapter) -> str:
    library = "library_name: peft\n" if adapter.of_generator else ""
    return f"---\nbase_model: {adapter.base_model}\n{library}tags: [doyen, {adapter.kind}]\n---"


def _summary(adapter: Adapter) -> str:
    made = adapter.created_at[:10]
    kind = "A whole embedding model" if adapter.kind == "embedder" else f"An adapter of kind {adapter.kind}"
    how = "imported" if adapter.manifest.get("origin") == "import" else "trained"
    return f"{kind} for `{adapter.base_model}`, {how} on {made}. Versions are never changed; it is in stage {adapter.stage}."


def _origin(adapter: Adapter, facts: CardFacts) -> list[str]:
    inputs = adapter.manifest.get("inputs", {})
    rows = [("base model", f"{adapter.base_model}, weights sha256 {adapter.base_sha256}")]
    if adapter.dataset_id:
        counts = facts.dataset.get("counts", {})
        pairs = f", {counts['train']} pairs to train on" if "train" in counts else ""
        rows.append(("dataset", f"{adapter.dataset_id}{pairs}"))
    parents: Sequence[str | None] = facts.lineage or [adapter.manifest.get("parent")]
    rows += [("trained from", str(parent)) for parent in parents if parent]
    rows += [(f"hash of {name}", str(value)) for name, value in sorted(inputs.items()) if name != "base" and value]
    return _table(("what", "which"), rows)


def _training(manifest: Mapping[str, Any]) -> list[str]:
    lines = []
    if losses := manifest.get("losses"):
        lines.append(f"- {len(losses)} steps, loss {losses[0]} at first and {losses[-1]} at the end")
    if (loss := manifest.get("validation_loss")) is not None:
        lines.append(f"- loss on the validation part: {loss}")
    examples = manifest.get("examples", {})
    counts = examples if isinstance(examples, Mapping) else {"examples": examples}  # readers count one kind
    lines += [f"- {name.replace('_', ' ')}: {count}" for name, count in counts.items()]
    if FORGETTING in manifest:
        lines.append(f"- {describe_forgetting(manifest[FORGETTING])}")
    if validation := manifest.get("validation"):
        lines.append(f"- validation: {', '.join(f'{name} {value}' for name, value in validation.items())}")
    return [*lines, *_cost(manifest)]


def _cost(manifest: Mapping[str, Any]) -> list[str]:
    if COST not in manifest:
        return [f"- it took {duration(manifest['seconds'])}"] if "seconds" in manifest else []
    spent, currency = Spent(**manifest[COST]["happened"]), manifest[COST]["estimate"].get("currency", "")
    memory = f", {spent.memory_mb / 1024:.1f} GB of memory" if spent.memory_mb else ""
    money = f", {spent.money:.2f} {currency}".rstrip() if spent.money else ""
    return [f"- it took {duration(spent.seconds)}{memory}, {spent.prompt_tokens:,} tokens{money}"]


def _evaluations(evaluations: Sequence[AdapterEvaluation]) -> list[str]:
    rows = [
        (each.report, mode, name, _figure(metrics[name]), str(metrics[name].get("n")))
        for each in evaluations
        for mode, metrics in each.modes.items()
        for name in SHOWN
        if metrics.get(name, {}).get("mean") is not None
    ]
    return _table(("report", "mode", "metric", "mean, 95% interval", "n"), rows) if rows else []


def _figure(metric: Mapping[str, Any]) -> str:
    ends = "" if metric.get("low") is None else f", {metric['low']:.3f} to {metric['high']:.3f}"
    return f"{metric['mean']:.3f}{ends}"


def _promotion(item: Mapping[str, Any]) -> str:
    ground = f"on report {item['report']}" if item.get("report") else "without a report"
    reason = f": {item['reason']}" if item.get("reason") else ""
    return f"- {item.get('at', '')} by {item.get('by', 'unknown')}, {ground}{reason}"


def _libraries(manifest: Mapping[str, Any]) -> list[str]:
    found = {"doyen": manifest.get("doyen"), "python": manifest.get("python"), **manifest.get("libraries", {})}
    told = [f"{name} {version}" for name, version in found.items() if version]
    seed = [f"seed {manifest['seed']}"] if manifest.get("seed") is not None else []
    return [", ".join([*told, *seed])] if told else []


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines]
