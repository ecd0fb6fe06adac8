"""``doyen dataset augment``: a dataset with variants of its pairs becomes another dataset, as one sequence of steps."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from doyen.annotation import get_project, labelled_texts
from doyen.annotation.store import task_type_of
from doyen.core.errors import InputError, MissingPart, ServiceError
from doyen.core.frozen_questions import frozen_questions
from doyen.core.progress import Reporter, Silent
from doyen.core.records import TEXT_MARK, Pair, Question
from doyen.core.settings import DatasetSettings
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.core.writing_models import WritingModel
from doyen.finetune.dataset import Dataset, build_dataset
from doyen.finetune.dataset.build import PackagedEncoder
from doyen.finetune.dataset.stored import PARTS, VARIANTS
from doyen.finetune.leakage import check_leaks
from doyen.finetune.split import Split
from doyen.finetune.supervision.variants.acceptance import LEAK, Acceptance, varied_text
from doyen.finetune.supervision.variants.entity_swaps import stretches_by_label, swap_entities
from doyen.finetune.supervision.variants.model_rewrites import exchange_in_context, paraphrase, translate_and_back
from doyen.finetune.supervision.variants.synonyms import exchange_synonyms
from doyen.finetune.supervision.variants.typing_errors import mistype
from doyen.finetune.supervision.variants.ways_of_asking import hurry, shorten, speak

RULE_KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "synonyms": exchange_synonyms,
    "typos": mistype,
    "spoken": speak,
    "terse": shorten,
    "hurried": hurry,
}
MODEL_KINDS: dict[str, Callable[[str, random.Random, WritingModel], str]] = {
    "paraphrase": paraphrase,
    "context": exchange_in_context,
    "back-translation": translate_and_back,
}
SWAP = "swap"
KINDS = (*RULE_KINDS, *MODEL_KINDS, SWAP)

Make = Callable[[Pair, random.Random], Pair | None]


@dataclass(frozen=True)
class AugmentReport:
    """What became of the variants.

    Attributes:
        made: accepted ones of each kind.
        left_out: of each kind, how many were left out for which reason ("unchanged", "copy", "changed", "leak").
        skipped: why a kind was not tried at all.
    """

    parents: int
    made: Mapping[str, int]
    left_out: Mapping[str, Mapping[str, int]]
    skipped: Mapping[str, str]


@dataclass(frozen=True)
class _Variant:
    kind: str
    parent: Pair
    pair: Pair


def augment_dataset(
    workspace: Workspace,
    store: Store,
    dataset: Dataset,
    kinds: Sequence[str],
    *,
    name: str | None = None,
    times: int = 1,
    parts: Sequence[str] = ("train",),
    project: str | None = None,
    model: WritingModel | None = None,
    no_model: str = "there is no engine",
    frozen: Sequence[Question] = (),
    seed: int | None = None,
    reporter: Reporter | None = None,
) -> tuple[Dataset, AugmentReport]:
    """Build a dataset that holds another one and variants of its pairs, each in its parent's part and labelling group.

    The manifest says of each variant which pair it comes from and how it was made (``origin``). Variants of variants are not
    made.

    Args:
        kinds: ``KINDS``; those that need a model are skipped without one, or where it does not answer.
        name: of the new dataset; None: the old name with "-augmented".
        times: variants of each kind for each pair, at most.
        parts: of which parts variants are made.
        project: the annotation project that the pairs come from, for "swap".
        no_model: what to say where there is no model.
        frozen: evaluation questions beside the registered ones; no variant may repeat one.
        seed: None takes ``finetune.seed``.

    Raises:
        InputError: a kind or part is not known, or "swap" lacks its project.
        NotFoundError: there is no such project.
    """
    reporter = reporter or Silent()
    _check(kinds, parts, project)
    seed = workspace.settings.finetune.seed if seed is None else seed
    if model is not None and any(kind in MODEL_KINDS for kind in kinds) and (silent := _why_silent(model)):
        model, no_model = None, silent
    made_by, skipped = _makers(store, kinds, project, model, no_model)
    encoder = PackagedEncoder(workspace.settings.retrieval.embedder_dtype)
    given = {pair.id: part for part in PARTS for pair in getattr(dataset, part)}
    own = {pair.id: _with_group(pair) for part in PARTS for pair in getattr(dataset, part)}
    parents = [pair for name, pair in own.items() if given[name] in parts and name not in dataset.variants]
    acceptance = Acceptance(list(own.values()), encoder.encode)
    left_out: dict[str, Counter[str]] = defaultdict(Counter)
    variants: dict[str, _Variant] = {}
    with reporter.bar("making variants", len(parents)) as bar:
        for parent in parents:
            for found in _variants_of(parent, made_by, times, seed):
                reason = acceptance.refusal(parent, found.pair, by_model=found.kind in MODEL_KINDS)
                if reason is None:
                    variants[found.pair.id] = found
                else:
                    left_out[found.kind][reason] += 1
            bar.advance(1)
    questions = frozen_questions(workspace, frozen)
    for leaking in _leaking(dataset, own, variants, given, questions, encoder):
        left_out[variants.pop(leaking).kind][LEAK] += 1
    made = Counter(found.kind for found in variants.values())
    report = AugmentReport(len(parents), dict(made), {kind: dict(own) for kind, own in left_out.items()}, skipped)
    lineage = {name: {"of": found.parent.id, "kind": found.kind} for name, found in variants.items()}
    kept = {name: entry for name, entry in dataset.manifest.get("origin", {}).get(VARIANTS, {}).items() if name in own}
    built = build_dataset(
        workspace,
        store,
        [*own.values(), *(found.pair for found in variants.values())],
        name=name or f"{dataset.name}-augmented",
        frozen=frozen,
        seed=seed,
        recipe=_recipe(dataset),
        given=given | {name: given[found.parent.id] for name, found in variants.items()},
        origin={"augmented_from": dataset.dataset_id, VARIANTS: kept | lineage, "left_out": report.left_out},
    )
    return built, report


def _check(kinds: Sequence[str], parts: Sequence[str], project: str | None) -> None:
    if not kinds or (unknown := [kind for kind in kinds if kind not in KINDS]):
        wrong = f"there is no kind {unknown[0]!r} of variants" if kinds else "no kind of variants is named"
        raise InputError(f"{wrong}: known ones are {', '.join(KINDS)}")
    if unknown := [part for part in parts if part not in PARTS]:
        raise InputError(f"there is no part {unknown[0]!r}: known ones are {', '.join(PARTS)}")
    if SWAP in kinds and project is None:
        raise InputError("entities are exchanged in labels with offsets: name the project that the pairs come from (--project)")


def _why_silent(model: WritingModel) -> str:
    """Return why the model does not answer; empty when it does. Weights and servers are first needed when it is asked."""
    try:
        model.write("Say yes.", max_tokens=2)
    except (MissingPart, ServiceError) as error:
        return str(error)
    return ""


def _makers(
    store: Store, kinds: Sequence[str], project: str | None, model: WritingModel | None, no_model: str
) -> tuple[dict[str, Make], dict[str, str]]:
    """Return what makes a variant of each kind, and why kinds are skipped."""
    makers: dict[str, Make] = {}
    skipped: dict[str, str] = {}
    for kind in dict.fromkeys(kinds):
        if kind in RULE_KINDS:
            makers[kind] = partial(_reworded, RULE_KINDS[kind])
        elif kind == SWAP:
            makers[kind] = _swapper(store, str(project))
        elif model is not None:
            makers[kind] = partial(_reworded, _asking(MODEL_KINDS[kind], model))
        else:
            skipped[kind] = no_model
    return makers, skipped


def _asking(
    rewrite: Callable[[str, random.Random, WritingModel], str], model: WritingModel
) -> Callable[[str, random.Random], str]:
    return lambda text, draw: rewrite(text, draw, model)


def _reworded(rewrite: Callable[[str, random.Random], str], pair: Pair, draw: random.Random) -> Pair:
    before, mark, text = pair.prompt.rpartition(TEXT_MARK)
    reworded = rewrite(text, draw)
    # The text of a labelling task proves its label; in other words it stands in no document.
    proof: dict[str, Any] = {"source": None, "evidence": []} if mark else {}
    return pair.model_copy(update={"prompt": f"{before}{mark}{reworded}", **proof})


def _swapper(store: Store, project: str) -> Make:
    """Return what exchanges the entities of a pair that is a label of the project."""
    task_type = task_type_of(get_project(store, project))
    labelled = {item.item_id: item for item in labelled_texts(store, project)}
    others = stretches_by_label(labelled.values())

    def swap(pair: Pair, draw: random.Random) -> Pair | None:
        item = labelled.get(pair.group or "")
        swapped = swap_entities(item, others, draw) if item is not None and item.text == varied_text(pair) else None
        if swapped is None:
            return None
        data = {"uid": pair.group, "text": swapped.text, "group": pair.group}
        return task_type.to_pair(
            swapped.label, data, pair_id=pair.id, annotator=pair.annotator or "", created_at=pair.created_at or ""
        )

    return swap


def _variants_of(parent: Pair, makers: Mapping[str, Make], times: int, seed: int) -> Iterator[_Variant]:
    for kind, make in makers.items():
        for number in range(1, times + 1):
            variant = make(parent, random.Random(f"{seed}/{kind}/{number}/{parent.id}"))
            if variant is not None and variant.prompt.strip():
                update = {"id": f"{parent.id}~{kind}-{number}", "group": parent.group}
                yield _Variant(kind, parent, variant.model_copy(update=update))


def _with_group(pair: Pair) -> Pair:
    """Return a pair that its variants hang together with, whoever splits them again."""
    return pair if pair.group is not None else pair.model_copy(update={"group": pair.id})


def _leaking(
    dataset: Dataset,
    own: Mapping[str, Pair],
    variants: Mapping[str, _Variant],
    given: Mapping[str, str],
    questions: Sequence[Question],
    encoder: PackagedEncoder,
) -> list[str]:
    """Return the ids of variants that are in another part, or a frozen question, too."""
    parts: dict[str, list[Pair]] = {part: [] for part in PARTS}
    for name, pair in own.items():
        parts[given[name]].append(pair)
    for found in variants.values():
        parts[given[found.parent.id]].append(found.pair)
    checked = check_leaks(
        Split(*(parts[part] for part in PARTS)), dataset.manifest["near_groups"], questions, encoder=encoder, by_document=False
    )
    return sorted({name for leak in checked.leaks for name in leak.ids if name in variants})


def _recipe(dataset: Dataset) -> DatasetSettings:
    """Return the rules that the dataset was built by, without those that would thin the variants out again."""
    recipe = DatasetSettings.model_validate(dataset.manifest.get("recipe", {}))
    return recipe.model_copy(update={"balance": None, "near_duplicates": "keep", "min_words": 0})
