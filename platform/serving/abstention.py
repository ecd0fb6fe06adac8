"""Fitting when to refuse, on validation pairs and never on held-out questions.

Every answerable pair gives two cases: as it is, and with its document (and that document's near-duplicates) pretended
away, so that the very same question becomes unanswerable. Pairs labelled as unanswerable are cases as they are. The
thresholds come from out-of-fold probabilities, because those of the fitted data are too sure of themselves.

That the model itself refused is one of the features and not the last word: a small adapter refuses answerable questions
more often than anyone allowed it to, and the rule may send it back to answer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from doyen.core.errors import InputError
from doyen.core.manifest import build_manifest, fingerprint
from doyen.core.progress import Reporter, Silent
from doyen.core.records import Pair, Turn
from doyen.core.store import Store
from doyen.core.store.schema import DocumentRow
from doyen.platform.serving.answer import ANSWER_RULES
from doyen.platform.serving.refusal import AbstentionModel, Head, load_abstention, save_abstention
from doyen.retrieval.passage import Passage

ANSWERABLE_REFUSED = 0.05
"""Share of the answerable validation questions that may be refused; everything else serves refusing the others."""
LEAKED_BY_TRUST = 0.05
"""Share of the unanswerable cases that may be streamed without a second look."""
LIMIT = 40
"""Pairs that are looked at: enough for a dozen weights, and a minute or two of generating."""
LEAST_CASES = 8
"""Of each kind; with fewer, nothing can be fitted."""
FOLDS = 5
SAME_TEXT = 90.0
"""rapidfuzz partial ratio from which a passage counts as holding a quote; parsing and chunking leave small marks."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Observed(Protocol):
    """One generated answer with its features; `Observation` of the assistant is one."""

    @property
    def passages(self) -> list[Passage]:
        """What the model was shown."""

    @property
    def refused(self) -> bool:
        """Whether the model itself refused."""

    @property
    def before(self) -> dict[str, float]:
        """Features known before generating."""

    @property
    def after(self) -> dict[str, float]:
        """Features known after it."""


class Observer(Protocol):
    """What fitting needs of the assistant."""

    store: Store

    @property
    def model(self) -> str:
        """The base model's name."""

    def observe(
        self,
        question: str,
        mode: str,
        *,
        history: Sequence[Turn] = (),
        adapter: str | None = None,
        exclude_documents: Sequence[str] = (),
    ) -> Observed | None:
        """Generate without judging; None when nothing was retrieved."""

    def abstention_path(self, mode: str, adapter: str | None) -> Path | None:
        """Where the fitted model belongs."""


@dataclass(frozen=True)
class Case:
    """An observation with its truth.

    Attributes:
        group: cases of one pair stay in one fold.
        answerable: whether the documents hold the answer.
        clear: whether the passages agree with that; an answerable question whose passage was not found teaches the
            regression nothing, but refusing it still counts against the threshold.
    """

    group: str
    answerable: bool
    clear: bool
    observed: Observed


def fit_abstention(
    observer: Observer,
    pairs: Sequence[Pair],
    *,
    mode: str,
    adapter: str | None = None,
    reporter: Reporter | None = None,
    limit: int = LIMIT,
    seed: int = 17,
    index: str = "",
) -> AbstentionModel:
    """Fit when a mode refuses, store the model where the assistant looks for it, and return it.

    A stored model that was fitted on the same is returned as it is.

    Args:
        observer: the assistant.
        pairs: validation pairs; of more than ``limit`` a fixed sample is taken.
        mode: "rag" or "hybrid".
        adapter: "name:version"; None takes the assistant's default.
        index: fingerprint of the index that passages come from.

    Raises:
        InputError: too few pairs of either kind.
    """
    reporter = reporter or Silent()
    chosen = random.Random(seed).sample(list(pairs), min(limit, len(pairs)))
    inputs = {"pairs": fingerprint([pair.model_dump() for pair in chosen]), "adapter": adapter, "index": index, "mode": mode}
    inputs["rules"] = str(ANSWER_RULES)
    manifest = build_manifest("abstention", inputs=inputs, settings={"limit": limit}, seed=seed)
    path = observer.abstention_path(mode, adapter)
    stored = load_abstention(path, observer.model) if path else None
    if stored and stored.manifest.get("fingerprint") == manifest["fingerprint"]:
        return stored
    cases: list[Case] = []
    with reporter.bar(f"When to refuse ({mode})", len(chosen)) as bar:
        for pair in chosen:
            cases += _cases(observer, pair, mode, adapter)
            bar.advance()
    model = fit_cases(cases, mode=mode, model=observer.model, manifest=manifest, seed=seed)
    if path:
        save_abstention(path, model)
    return model


def fit_cases(cases: Sequence[Case], *, mode: str, model: str, manifest: Mapping[str, Any], seed: int) -> AbstentionModel:
    """Fit both regressions and the thresholds.

    Raises:
        InputError: too few cases of either kind.
    """
    answerable = np.array([case.answerable for case in cases], dtype=bool)
    clear = np.array([case.clear for case in cases], dtype=bool)
    counts = int((answerable & clear).sum()), int((~answerable).sum())
    if min(counts) < LEAST_CASES:
        raise InputError(
            f"fitting when to refuse needs {LEAST_CASES} answerable and {LEAST_CASES} unanswerable cases, and the validation "
            f"pairs gave {counts[0]} and {counts[1]}: label more pairs"
        )
    groups = [case.group for case in cases]
    first, first_odds = _fit_head([case.observed.before for case in cases], answerable, clear, groups)
    second, second_odds = _fit_head([case.observed.after for case in cases], answerable, clear, groups)
    refused = np.array([case.observed.refused for case in cases], dtype=bool)
    zones = _thresholds(first_odds, second_odds, answerable)
    report = _report(zones, first_odds, second_odds, answerable, refused)
    return AbstentionModel(
        mode=mode,
        model=model,
        before=first,
        after=second,
        refuse_below=zones[0],
        trust_from=zones[1],
        threshold=zones[2],
        manifest={**manifest, "cases": len(cases), "validation": report},
    )


def _cases(observer: Observer, pair: Pair, mode: str, adapter: str | None) -> list[Case]:
    """Return the cases of one pair."""
    cases = []
    group = pair.group or pair.id
    shown = observer.observe(pair.prompt, mode, history=pair.history, adapter=adapter)
    if shown:
        clear = not pair.answerable or _holds(shown.passages, pair.evidence)
        cases.append(Case(group, pair.answerable, clear, shown))
    if pair.answerable and pair.source:
        hidden = _with_twins(observer.store, pair.source)
        blind = observer.observe(pair.prompt, mode, history=pair.history, adapter=adapter, exclude_documents=hidden)
        # Another document may say the same: then the question is still answerable.
        if blind and hidden and not (pair.evidence and _holds(blind.passages, pair.evidence)):
            cases.append(Case(group, False, True, blind))
    return cases


def _with_twins(store: Store, source: str) -> list[str]:
    """Return the ids of a document and of its near-duplicates; empty when it is not known."""
    with store.session() as session:
        group = session.scalar(select(DocumentRow.near_group).where(DocumentRow.source == source))
        if group is None:
            return []
        return list(session.scalars(select(DocumentRow.document_id).where(DocumentRow.near_group == group)))


def _holds(passages: Sequence[Passage], evidence: Sequence[str]) -> bool:
    """Whether a passage holds one of the quotes; without quotes, assume so."""
    from rapidfuzz import fuzz, utils

    return not evidence or any(
        fuzz.partial_ratio(quote, passage.text, processor=utils.default_process) >= SAME_TEXT
        for quote in evidence
        for passage in passages
    )


def _fit_head(rows: Sequence[dict[str, float]], answerable: Flags, clear: Flags, groups: Sequence[str]) -> tuple[Head, Floats]:
    """Return a regression fitted on all clear cases, and out-of-fold probabilities of all cases."""
    from sklearn.model_selection import GroupKFold

    names = sorted({name for row in rows for name in row})
    table = np.array([[row.get(name, np.nan) for name in names] for row in rows], dtype=np.float64)
    odds = np.zeros(len(rows))
    folds = min(FOLDS, len(set(groups)))
    for fit, judge in GroupKFold(folds).split(table, groups=groups):
        usable = fit[clear[fit]]
        head = _regression(names, table[usable], answerable[usable])
        odds[judge] = [head.probability(_present(names, table[index])) for index in judge]
    return _regression(names, table[clear], answerable[clear]), odds


def _regression(names: Sequence[str], table: Floats, answerable: Flags) -> Head:
    """Fit a regularised logistic regression, both kinds weighing the same."""
    from sklearn.linear_model import LogisticRegression

    means = np.nanmean(table, axis=0)
    filled = np.where(np.isnan(table), means, table)
    scales = filled.std(axis=0)
    scales[scales < 1e-9] = 1.0
    fitted = LogisticRegression(C=0.3, class_weight="balanced", max_iter=1000).fit((filled - means) / scales, answerable)
    return Head(
        features=list(names),
        means=means.tolist(),
        scales=scales.tolist(),
        weights=fitted.coef_[0].tolist(),
        bias=float(fitted.intercept_[0]),
    )


def _present(names: Sequence[str], row: Floats) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, row, strict=True) if not np.isnan(value)}


def _thresholds(first: Floats, second: Floats, answerable: Flags) -> tuple[float, float, float]:
    """Return (refuse_below, trust_from, threshold): as many refusals as the answerable questions allow.

    What is refused at once, before generating, may cost a fifth of the budget.
    """
    budget = int(ANSWERABLE_REFUSED * answerable.sum())
    refuse_below = _nth_smallest(first[answerable], budget // 5)
    leaks = np.sort(first[~answerable])[::-1]
    allowed = int(LEAKED_BY_TRUST * len(leaks))
    trust_from = float(np.nextafter(leaks[allowed], 1.0)) if len(leaks) > allowed else refuse_below
    trust_from = max(trust_from, refuse_below)
    doubtful = answerable & (first >= refuse_below) & (first < trust_from)
    spent = int((answerable & (first < refuse_below)).sum())
    return refuse_below, trust_from, _nth_smallest(second[doubtful], budget - spent)


def _nth_smallest(values: Floats, n: int) -> float:
    """Return a threshold under which exactly ``n`` of the values lie (all of them: above the largest)."""
    ordered = np.sort(values)
    return float(ordered[n]) if n < len(ordered) else 1.0


def _report(
    zones: tuple[float, float, float], first: Floats, second: Floats, answerable: Flags, refused: Flags
) -> dict[str, float]:
    """Return what the thresholds do to the validation cases."""
    from sklearn.metrics import roc_auc_score

    refuse_below, trust_from, threshold = zones
    decided = (first < refuse_below) | ((first < trust_from) & (second < threshold))
    return {
        "answerable": int(answerable.sum()),
        "answerable_refused": float(decided[answerable].mean()),
        "answerable_refused_by_model": float(refused[answerable].mean()),
        "unanswerable": int((~answerable).sum()),
        "unanswerable_refused": float(decided[~answerable].mean()),
        "unanswerable_refused_by_model": float(refused[~answerable].mean()),
        "streamed_at_once": float((first[answerable] >= trust_from).mean()),
        "auc_before": float(roc_auc_score(answerable, first)),
        "auc_after": float(roc_auc_score(answerable, second)),
    }
