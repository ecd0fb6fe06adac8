"""Aggregation gives what the published methods' own libraries give: snorkel's LabelModel, skweak's HMM, snorkel's table."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pandas as pd
import pytest

from doyen.core.errors import InputError
from doyen.finetune.supervision.weak.function_table import class_table, span_table, table_text, wilson
from doyen.finetune.supervision.weak.functions import TextItem
from doyen.finetune.supervision.weak.label_model import fit_label_model
from doyen.finetune.supervision.weak.soft_labels import weighted_rows
from doyen.finetune.supervision.weak.span_model import fit_span_model, majority_shares
from doyen.finetune.supervision.weak.span_tags import TaggedText, tag_texts
from doyen.finetune.supervision.weak.vote_aggregation import Method, aggregate_spans, aggregate_votes
from doyen.finetune.supervision.weak.votes import ABSTAIN, Matrix, SpanVotes, Votes

NAMES = ("alpha", "bravo", "charlie", "delta", "echo")
"""skweak takes functions whose names begin alike for copies of each other."""
PLACES = ("PER", "LOC", "ORG")


def noisy_votes(seed: int, classes: int, functions: int, texts: int = 300) -> tuple[Matrix, np.ndarray]:
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, classes, texts)
    matrix = np.full((texts, functions), ABSTAIN)
    for column in range(functions):
        right, speaks = draw.uniform(0.4, 0.95), draw.uniform(0.2, 0.9)
        said = np.where(draw.random(texts) < right, truth, draw.integers(0, classes, texts))
        matrix[:, column] = np.where(draw.random(texts) < speaks, said, ABSTAIN)
    return matrix, truth


def votes_of(matrix: Matrix, classes: int) -> Votes:
    names = tuple(f"f{number}" for number in range(matrix.shape[1]))
    items = tuple(TextItem(f"t{number}", f"text {number}") for number in range(len(matrix)))
    return Votes(tuple(f"c{number}" for number in range(classes)), names, items, matrix)


def noisy_tags(seed: int, texts: int = 40) -> list[TaggedText]:
    """Sentences whose entities functions miss, mistake and invent."""
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(texts):
        length = int(draw.integers(1, 14))
        spans = []
        at = 0
        while at < length:
            if draw.random() < 0.3:
                end = min(length, at + int(draw.integers(1, 4)))
                spans.append((at, end, int(draw.integers(0, 3))))
                at = end
            at += 1
        tags = np.full((length, len(NAMES)), ABSTAIN)
        for column in range(len(NAMES)):
            own = np.zeros(length, int)
            own[draw.random(length) < 0.04] = 1 + 2 * int(draw.integers(0, 3))
            for start, end, label in spans:
                if draw.random() < 0.7:
                    said = label if draw.random() < 0.8 else int(draw.integers(0, 3))
                    own[start:end], own[start] = 2 * said + 2, 2 * said + 1
                    own[end : end + 1] = 0
            if own.any():
                tags[:, column] = own
        made.append(TaggedText(tuple((n, n + 1) for n in range(length)), tags))
    return made


def frames(texts: list[TaggedText]) -> list[pd.DataFrame]:
    columns = [np.flatnonzero((text.tags != ABSTAIN).any(axis=0)) for text in texts]
    return [pd.DataFrame(text.tags[:, own], columns=[NAMES[n] for n in own]) for text, own in zip(texts, columns, strict=True)]


@pytest.mark.parametrize(("classes", "functions", "equal"), [(2, 3, True), (3, 6, False), (5, 10, True)])
def test_the_label_model_is_snorkels(classes: int, functions: int, equal: bool) -> None:
    from snorkel.labeling.model import LabelModel

    matrix, _ = noisy_votes(classes, classes, functions)
    balance = None if equal else np.array([0.5, 0.3, 0.2])
    theirs = LabelModel(cardinality=classes, verbose=False)
    theirs.fit(matrix, class_balance=None if balance is None else balance.tolist(), n_epochs=150, seed=9, progress_bar=False)
    ours = fit_label_model(matrix, classes, balance=balance, epochs=150, seed=9)
    assert np.abs(theirs.predict_proba(matrix) - ours.probabilities(matrix)).max() < 1e-6
    assert np.abs(theirs.get_weights() - ours.accuracies(matrix)).max() < 1e-6


def test_the_span_model_is_skweaks() -> None:
    from skweak.generative import HMM
    from skweak.voting import SequentialMajorityVoter

    texts = noisy_tags(3)
    theirs, vote = HMM("theirs", list(PLACES)), SequentialMajorityVoter("vote", list(PLACES))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        theirs._fit(frames(texts))
    ours = fit_span_model(texts, len(PLACES), len(NAMES))
    for text, frame in zip(texts, frames(texts), strict=True):
        if frame.shape[1]:
            assert np.abs(theirs.aggregate(frame).values - ours.probabilities(text.tags)).max() < 1e-6
            assert np.abs(vote.aggregate(frame).values - majority_shares(text.tags, len(PLACES))).max() < 1e-6
        else:
            assert ours.probabilities(text.tags)[:, 0].tolist() == [1.0] * len(text.tokens)


def test_the_table_is_snorkels() -> None:
    from snorkel.labeling import LFAnalysis

    matrix, truth = noisy_votes(4, 3, 5)
    votes = votes_of(matrix, 3)
    analysis = LFAnalysis(matrix)
    rows = class_table(votes, {item.id: votes.labels[label] for item, label in zip(votes.items, truth, strict=True)})
    assert [row.coverage for row in rows] == pytest.approx(analysis.lf_coverages().tolist())
    assert [row.overlap for row in rows] == pytest.approx(analysis.lf_overlaps().tolist())
    assert [row.conflict for row in rows] == pytest.approx(analysis.lf_conflicts().tolist())
    assert [row.accuracy for row in rows] == pytest.approx(analysis.lf_empirical_accuracies(truth).tolist())
    assert all(row.low < row.accuracy < row.high for row in rows)
    unknown = class_table(votes, {})
    assert [row.accuracy for row in unknown] == [None] * 5
    assert "not known" in table_text(unknown)


def test_aggregation_beats_every_function_and_abstains_where_nothing_is_said() -> None:
    matrix, truth = noisy_votes(0, 3, 8, texts=600)
    matrix[0] = ABSTAIN
    votes = votes_of(matrix, 3)
    alone = [(matrix[:, column] == truth).mean() for column in range(8)]
    for method in (Method.MAJORITY, Method.LABEL_MODEL, Method.DAWID_SKENE):
        shares = aggregate_votes(votes, method)
        assert shares.sum(axis=1) == pytest.approx(1)
        assert shares[0] == pytest.approx([1 / 3] * 3)
        assert (shares.argmax(axis=1) == truth).mean() > max(alone)


def test_what_cannot_be_aggregated_is_refused_with_the_remedy() -> None:
    with pytest.raises(InputError, match="write more, or aggregate by majority"):
        aggregate_votes(votes_of(np.zeros((4, 2), int), 2), Method.LABEL_MODEL)
    with pytest.raises(InputError, match="no labelling function votes on any text"):
        aggregate_votes(votes_of(np.full((4, 3), ABSTAIN), 2), Method.MAJORITY)


def test_soft_labels_reach_a_classifier_as_weights() -> None:
    texts, classes, weights = weighted_rows(np.array([[0.75, 0.25, 0.0], [0.0, 1.0, 0.0]]))
    assert (texts.tolist(), classes.tolist(), weights.tolist()) == ([0, 0, 1], [0, 1, 1], [0.75, 0.25, 1.0])


def test_spans_come_back_at_their_places() -> None:
    text = "Ada Lovelace met Babbage in London."
    right = ((0, 12, "PER"), (17, 24, "PER"), (28, 34, "LOC"))
    marked = (right, right, ((0, 3, "PER"),), ((28, 34, "ORG"),))
    votes = SpanVotes(PLACES, NAMES[:4], (TextItem("a", text),), (marked,))
    assert tag_texts(votes)[0].tags[:3, 0].tolist() == [1, 2, 0]
    for method in (Method.HMM, Method.MAJORITY):
        found = aggregate_spans(votes, method)[0]
        assert tuple(mark for mark, _ in found) == right
        assert all(0 < sure <= 1 for _, sure in found)
    row = span_table(votes, {"a": right})[0]
    assert (row.coverage, row.overlap, row.conflict, row.accuracy) == (3 / 5, 3 / 5, 2 / 5, 1.0)


def test_intervals_of_shares_stay_within_bounds() -> None:
    assert wilson(5, 5)[1] == 1.0
    assert wilson(0, 5)[0] == 0.0
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
