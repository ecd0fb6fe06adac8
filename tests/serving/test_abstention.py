"""When to refuse: the fitted rule keeps its promise, learns what is there to learn, and survives bad files."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from doyen.core.errors import InputError
from doyen.core.records import REFUSAL, Pair
from doyen.core.store.schema import DocumentRow
from doyen.platform.serving.abstention import ANSWERABLE_REFUSED, Case, _thresholds, fit_abstention, fit_cases
from doyen.platform.serving.refusal import AbstentionModel, Head, load_abstention, save_abstention
from doyen.platform.serving.signals import after_features, before_features
from doyen.retrieval.passage import Passage


def passage(text="The pump runs at 1,450 rpm.", source="a.md", heading="", **signals):
    return Passage("c", "d", "v", source, 0, len(text), None, heading, 1.0, text, signals)


@dataclass
class Seen:
    before: dict[str, float]
    after: dict[str, float]
    refused: bool = False
    passages: list[Passage] = field(default_factory=lambda: [passage()])


def cases(n=60, gap=3.0, seed=0):
    """Answerable and unanswerable cases whose features lie ``gap`` standard deviations apart."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(n):
        for answerable in (True, False):
            shift = gap if answerable else 0.0
            before = {"dense_best": rng.normal(shift), "noise": rng.normal()}
            made.append(Case(str(index), answerable, True, Seen(before, {**before, "support": rng.normal(shift)})))
    return made


def decide(model, case):
    verdict = model.first_look(case.observed.before)
    return verdict == "answer" or (verdict == "doubtful" and model.accepts(case.observed.after))


def test_a_learnable_difference_is_learnt():
    model = fit_cases(cases(), mode="rag", model="m", manifest={}, seed=1)
    fresh = cases(seed=99, n=300)
    answered = [decide(model, case) for case in fresh if case.answerable]
    wrongly = [decide(model, case) for case in fresh if not case.answerable]
    assert np.mean(answered) >= 0.9
    assert np.mean(wrongly) <= 0.1
    report = model.manifest["validation"]
    assert report["auc_after"] > report["auc_before"] > 0.95
    assert report["answerable_refused"] <= ANSWERABLE_REFUSED


def test_without_a_difference_the_answerable_are_still_answered():
    model = fit_cases(cases(gap=0.0), mode="rag", model="m", manifest={}, seed=1)
    answered = [decide(model, case) for case in cases(gap=0.0, seed=99, n=300) if case.answerable]
    assert np.mean(answered) >= 0.8


@settings(max_examples=60)
@given(st.data())
def test_thresholds_keep_within_the_budget(data):
    size = data.draw(st.integers(20, 80))
    odds = st.lists(st.sampled_from([i / 20 for i in range(21)]), min_size=size, max_size=size)
    flags = st.lists(st.booleans(), min_size=size, max_size=size)
    first, second = np.array(data.draw(odds)), np.array(data.draw(odds))
    answerable = np.array(data.draw(flags))
    below, trust, threshold = _thresholds(first, second, answerable)
    assert below <= trust
    refused = (first < below) | ((first < trust) & (second < threshold))
    assert int((answerable & refused).sum()) <= int(ANSWERABLE_REFUSED * answerable.sum())


def test_unclear_cases_do_not_teach_but_count():
    unclear = [Case(f"u{i}", True, False, Seen({"dense_best": -5.0}, {"dense_best": -5.0})) for i in range(30)]
    model = fit_cases([*cases(), *unclear], mode="rag", model="m", manifest={}, seed=1)
    assert model.before.probability({"dense_best": 3.0}) > 0.8
    assert model.manifest["validation"]["answerable"] == 90
    assert model.manifest["validation"]["answerable_refused"] <= ANSWERABLE_REFUSED


def test_too_few_cases_are_told():
    with pytest.raises(InputError, match="label more pairs"):
        fit_cases(cases(n=5), mode="rag", model="m", manifest={}, seed=1)


def test_a_missing_feature_counts_as_average():
    head = Head(features=["a", "b"], means=[1.0, 2.0], scales=[1.0, 1.0], weights=[3.0, 3.0], bias=0.0)
    assert head.probability({}) == pytest.approx(0.5)
    assert head.probability({"a": 1e9, "unknown": 4.0}) == pytest.approx(1.0)


def test_it_is_stored_and_not_used_with_another_model(tmp_path):
    path = tmp_path / "deep" / "rag.json"
    assert load_abstention(path, "m") is None
    model = fit_cases(cases(n=20), mode="rag", model="m", manifest={"seed": 1}, seed=1)
    save_abstention(path, model)
    assert load_abstention(path, "m") == model
    assert load_abstention(path, "other") is None
    path.write_text('{"mode": ')
    assert load_abstention(path, "m") is None


@dataclass
class Recorder:
    """An assistant that knows which document answers what."""

    store: object
    path: object
    model = "m"
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def observe(self, question, mode, *, history=(), adapter=None, exclude_documents=()):
        self.calls.append((question, tuple(exclude_documents)))
        index = int(question.split()[-1])
        found = index < 100 and not exclude_documents
        rng = np.random.default_rng(len(self.calls))
        value = {"dense_best": rng.normal(4.0 if found else 0.0)}
        text = f"fact {index}" if found or index == 3 else "something else entirely"
        return Seen(value, value, passages=[passage(text)])

    def abstention_path(self, mode, adapter):
        return self.path


def test_fitting_hides_documents_with_their_twins(store, tmp_path):
    rows = [("a", "a.md", "g1"), ("b", "a-copy.md", "g1"), ("c", "c.md", "g2")]
    with store.session() as session:
        for document_id, source, group in rows:
            session.execute(insert(DocumentRow).values(**_document(document_id, source, group)))
    pairs = [
        Pair(id=f"p{i}", prompt=f"question {i}", response=f"fact {i}.", source="a.md", evidence=[f"fact {i}"])
        for i in range(20)
    ]
    pairs += [Pair(id=f"n{i}", prompt=f"question {100 + i}", response=REFUSAL) for i in range(10)]
    recorder = Recorder(store, tmp_path / "rag.json")
    model = fit_abstention(recorder, pairs, mode="rag")
    hidden = {excluded for _, excluded in recorder.calls if excluded}
    assert {frozenset(item) for item in hidden} == {frozenset({"a", "b"})}
    # Question 3 is answered elsewhere too, so hiding its document proves nothing.
    assert model.manifest["cases"] == 20 + 19 + 10
    assert load_abstention(tmp_path / "rag.json", "m") == model


def _document(document_id, source, group):
    texts = ["root", "version", "title", "media_type", "settings_fingerprint", "ingested_at"]
    return {
        "document_id": document_id,
        "source": source,
        "near_group": group,
        "size": 1,
        "modified_ns": 1,
        **dict.fromkeys(texts, ""),
    }


def test_the_model_is_plain_json():
    model = fit_cases(cases(n=20), mode="rag", model="m", manifest={}, seed=1)
    assert AbstentionModel.model_validate_json(model.model_dump_json()) == model


def test_features_tell_a_matching_passage_from_another():
    good = before_features("pump speed", [passage("The pump has a speed of 1,450 rpm.", dense=0.8)], -3.0)
    bad = before_features("pump speed", [passage("Holidays are booked in the portal.", dense=0.1)], -1.0)
    assert good["coverage_best"] == 1.0
    assert bad["coverage_best"] == 0.0
    assert good["dense_best"] > bad["dense_best"]
    assert good["refusal_logprob"] == -3.0
    after = after_features(good, "pump speed", "1,450 rpm", [-0.1, -0.9], [passage("The pump has a speed of 1,450 rpm.")])
    wrong = after_features(good, "pump speed", "2,900 rpm", [], [passage("The pump has a speed of 1,450 rpm.")])
    assert after["answer_logprob"] == pytest.approx(-0.5)
    assert after["weakest_token"] == -0.9
    assert after["answer_coverage"] > wrong["answer_coverage"]
    assert "answer_logprob" not in wrong
    assert after_features(good, "pump speed", REFUSAL, [-0.1], []) == {**good, "refused": 1.0}
