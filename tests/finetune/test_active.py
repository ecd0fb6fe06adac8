"""Active learning: what strategies choose, what a round keeps out of the choice, and what the curve says."""

from __future__ import annotations

import numpy as np
import pytest

from doyen.annotation import LabelDescription, TaskDescription, create_project, open_texts, prompt_tasks, text_tasks
from doyen.annotation.exchange.label_import import store_labels
from doyen.annotation.texts import PlainText
from doyen.annotation.types.typed_labels import Classes, Entities, LabelledText, Region
from doyen.core.errors import InputError
from doyen.core.frozen_questions import register_questions
from doyen.core.records import Question
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.supervision.active import choose_next, is_test_text
from doyen.finetune.supervision.learners import Features, OneClass, SeveralClasses, Tagged, decode, entity_spans, score
from doyen.finetune.supervision.learning_curve import Point, advise, forecast
from doyen.finetune.supervision.rounds import FILE, read_rounds
from doyen.finetune.supervision.strategies import (
    NEEDS_MODEL,
    Pool,
    Strategy,
    choose,
    entropy,
    facility_location,
    k_center,
    least_confidence,
    mutual_information,
    small_margin,
)

NAME = "topics"
DESCRIPTION = TaskDescription(type="classification", labels=(LabelDescription(name="pump"), LabelDescription(name="line")))
ENTITIES = TaskDescription(type="entities", labels=(LabelDescription(name="part"),))


class WordEmbedder:
    """A text's vector counts its words by their first letters; a word's state is that letter. Notes what it was shown."""

    sha256 = "0" * 64

    def __init__(self) -> None:
        self.shown: list[str] = []

    def encode(self, texts):
        self.shown += texts
        vectors = np.zeros((len(texts), 26), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                if word[:1].isalpha():
                    vectors[row, ord(word[0]) - 97] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)

    def token_states(self, texts):
        found = []
        for text in texts:
            places, at = [], 0
            for word in text.split(" "):
                places.append((at, at + len(word)))
                at += len(word) + 1
            found.append((np.array(places), self.encode(text.split(" "))))
        return found


def texts_of(kind: str, n: int) -> list[str]:
    words = {"pump": "pressure plunger", "line": "heated hose"}[kind].split()
    return [f"{words[k % 2]} {words[(k + 1) % 2]} zone {k} {chr(97 + k % 20)}" for k in range(n)]


ALL = [*texts_of("pump", 60), *texts_of("line", 60)]
TRUE = dict.fromkeys(ALL[:60], "pump") | dict.fromkeys(ALL[60:], "line")


@pytest.fixture
def project(workspace: Workspace, store: Store) -> Store:
    create_project(workspace, store, NAME, description=DESCRIPTION)
    text_tasks(store, NAME, [PlainText(text, "texts.csv", str(n)) for n, text in enumerate(ALL)])
    return store


def label(workspace: Workspace, store: Store, texts: list[str], by: str = "ada") -> None:
    ids = {each.text: each.item_id for each in open_texts(store, NAME)}
    labels = [LabelledText(ids[text], text, Classes((TRUE[text],)), annotator=by) for text in texts]
    store_labels(workspace, store, NAME, labels)


# Strategies


def pool(n: int = 200, m: int = 5, seed: int = 0) -> Pool:
    chance = np.random.default_rng(seed)
    vectors = chance.normal(size=(n + m, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    unsure = chance.random(n).astype(np.float32)
    return Pool(vectors[:n], vectors[n:], chance.integers(1, 30, n).astype(np.float32), unsure)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_every_strategy_chooses_different_texts_repeatably(strategy: Strategy) -> None:
    rows = choose(strategy, pool(), 20, seed=1)
    assert len(set(rows.tolist())) == 20
    assert (choose(strategy, pool(), 20, seed=1) == rows).all()
    assert sorted(choose(strategy, pool(7), 20, seed=1)) == list(range(7))
    assert len(choose(strategy, pool(0), 20, seed=1)) == 0
    assert len(choose(strategy, pool(9, m=0), 3, seed=1)) == 3


@pytest.mark.parametrize("strategy", sorted(NEEDS_MODEL))
def test_strategies_with_a_model_do_not_guess(strategy: Strategy) -> None:
    given = pool()
    with pytest.raises(ValueError, match="none"):
        choose(strategy, Pool(given.vectors, given.labelled, given.costs), 3, seed=1)


def test_measures_of_uncertainty() -> None:
    probabilities = np.array([[0.5, 0.5, 0.0], [0.8, 0.1, 0.1], [1 / 3, 1 / 3, 1 / 3]], np.float32)
    assert least_confidence(probabilities) == pytest.approx([0.5, 0.2, 2 / 3])
    assert small_margin(probabilities) == pytest.approx([1, 0.3, 1])
    assert entropy(probabilities) == pytest.approx([np.log(2), 0.639, np.log(3)], abs=1e-3)
    sure_but_divided = np.array([[[1, 0]], [[0, 1]]], np.float32)
    evenly_unsure = np.array([[[0.5, 0.5]], [[0.5, 0.5]]], np.float32)
    assert mutual_information(sure_but_divided) == pytest.approx([np.log(2)])
    assert mutual_information(evenly_unsure) == pytest.approx([0])


def test_measures_are_those_of_small_text() -> None:
    small_text = pytest.importorskip("small_text")
    probabilities = np.random.default_rng(3).dirichlet(np.ones(5), 50).astype(np.float32)

    class Fixed:
        def predict_proba(self, dataset):
            return probabilities

    def order(strategy):
        return np.argsort(strategy.score(Fixed(), None, np.arange(50), None, None), kind="stable")

    oracles = {
        small_text.LeastConfidence(): least_confidence,
        small_text.BreakingTies(): small_margin,
        small_text.PredictionEntropy(): entropy,
    }
    for oracle, ours in oracles.items():
        assert (order(oracle) == np.argsort(-ours(probabilities), kind="stable")).all()


def test_the_core_set_is_that_of_small_text() -> None:
    greedy = pytest.importorskip("small_text.query_strategies.coresets").greedy_coreset
    given = pool(300, 10)
    both = np.concatenate([given.vectors, given.labelled])
    theirs = greedy(both, np.arange(300), np.arange(300, 310), 15, distance_metric="cosine", normalized=True)
    assert sorted(k_center(given.vectors, given.labelled, 15)) == sorted(theirs)


def test_lazy_facility_location_is_greedy() -> None:
    given = pool(60, 4)
    covered = np.maximum((given.vectors @ given.labelled.T).max(axis=1), 0)
    similar = np.maximum(given.vectors @ given.vectors.T, 0)
    expected = []
    for _ in range(10):
        best = int(np.maximum(similar - covered, 0).sum(axis=1).argmax())
        expected.append(best)
        covered = np.maximum(covered, similar[best])
    assert facility_location(given.vectors, given.labelled, 10, np.random.default_rng(0)).tolist() == expected


def test_costs_decide_between_equal_texts() -> None:
    vectors = np.eye(3, dtype=np.float32)
    given = Pool(vectors, vectors[:0], np.array([10, 1, 5], np.float32), np.full(3, 0.4, np.float32))
    assert choose(Strategy.COST_AWARE, given, 3, seed=1).tolist() == [1, 2, 0]


# Learners


def test_classes_are_learnt() -> None:
    learner = OneClass(WordEmbedder().encode)
    features = learner.features(ALL)
    model = learner.fit(features, [TRUE[text] for text in ALL])
    assert model is not None
    assert score(learner.outcomes(model, features, [TRUE[text] for text in ALL])) == 1.0
    assert learner.fit(features, ["pump"] * len(ALL)) is None
    for strategy in (Strategy.MARGIN, Strategy.BALD, Strategy.ENTROPY):
        assert model.uncertainty(features, strategy, 1).shape == (len(ALL),)


def test_several_classes_are_decided_apart() -> None:
    learner = SeveralClasses(WordEmbedder().encode)
    features = learner.features(ALL)
    targets = [frozenset({"any", TRUE[text]}) if TRUE[text] == "pump" else frozenset({"any"}) for text in ALL]
    model = learner.fit(features, targets)
    assert model is not None
    assert score(learner.outcomes(model, features, targets)) == 1.0
    assert model.probabilities(features.rows).shape == (len(ALL), 2, 2)


def test_entities_are_learnt_and_measured_by_their_length() -> None:
    texts = [f"the {name} of {other}" for name in ("Pump", "Piston") for other in ("iron", "the unit", "a line in a unit")]
    labels = [Entities((Region("1", 4, text.index(" of"), "part"),)) for text in texts]
    learner = Tagged(WordEmbedder())
    features, targets = learner.features(texts), learner.targets(texts, labels)
    assert [len(tags) for tags in targets] == np.diff(features.starts).tolist()
    model = learner.fit(features, targets)
    assert model is not None
    assert score(learner.outcomes(model, features, targets)) == 1.0
    assert (features.take(np.array([2, 0])).rows[: len(targets[2])] == features.split(features.rows)[2]).all()
    unsure = model.uncertainty(features, Strategy.LEAST_CONFIDENCE, 1)
    of_tokens = least_confidence(model.probabilities(features.rows)[:, 0])
    assert unsure == pytest.approx([own.mean() for own in features.split(of_tokens)], rel=1e-4)


def test_no_entity_goes_on_that_has_not_begun() -> None:
    options = ["B-x", "I-x", "I-y", "O"]
    probabilities = np.array([[0.1, 0.6, 0.2, 0.1], [0.0, 0.5, 0.5, 0.0], [0.1, 0.1, 0.1, 0.7]], np.float32)
    assert decode(probabilities, options) == ["B-x", "I-x", "O"]
    assert entity_spans(["B-x", "I-x", "O", "B-y", "B-y"]) == {(0, 2, "x"), (3, 4, "y"), (4, 5, "y")}


def test_a_text_without_rows_has_no_uncertainty() -> None:
    features = Features.of_texts([np.ones((2, 3), np.float32), np.zeros((0, 3), np.float32)])
    assert features.mean(np.array([1.0, 3.0])).tolist() == [2.0, 0.0]


# Rounds


def test_a_round_is_served_first_and_logged(workspace: Workspace, project: Store) -> None:
    first = choose_next(workspace, project, NAME, WordEmbedder(), n=10)
    assert (first.number, first.strategy, len(first.chosen), len(first.test)) == (1, "facility-location", 10, 2)
    assert "too few labels" in first.reason
    queue = project_order(project)
    assert queue[:10] == first.chosen
    texts = {each.item_id: each.text for each in open_texts(project, NAME)}
    label(workspace, project, [texts[uid] for uid in first.chosen])
    with (workspace.supervision_folder / NAME / FILE).open("a") as log:
        log.write('{"number": 2, "cho')  # as a kill leaves it
    second = choose_next(workspace, project, NAME, WordEmbedder(), n=10, strategy="margin")
    assert (second.number, second.strategy, second.reason) == (2, "margin", "")
    assert not set(second.chosen) & set(first.chosen)
    assert [each["chosen"] for each in read_rounds(workspace.supervision_folder / NAME)] == [first.chosen, second.chosen]


def project_order(store: Store) -> list[str]:
    from doyen.annotation.store import tasks_in

    with store.session() as session:
        tasks = [task for task in tasks_in(session, NAME) if task.state == "created"]
        return [task.uid for task in sorted(tasks, key=lambda task: task.predictions[0]["score"])]


def test_the_test_texts_have_no_say(workspace: Workspace, project: Store) -> None:
    """Other labels of the test texts, and other test texts, change no choice."""
    tests = [text for text in ALL if is_test_text(text, 0.2)]
    others = [text for text in ALL if text not in tests]
    assert 10 < len(tests) < 40
    label(workspace, project, others[:30:2])
    label(workspace, project, tests[:8])
    embedder = WordEmbedder()
    right = choose_next(workspace, project, NAME, embedder, n=10, strategy="diverse-uncertainty")
    assert right.labelled_test == 8
    assert not set(embedder.shown) & set(tests[8:])
    wrong = {text: "line" if TRUE[text] == "pump" else "pump" for text in tests[:8]}
    said = [each for each in labelled(project) if each.text in wrong]
    store_labels(
        workspace,
        project,
        NAME,
        [LabelledText(each.item_id, each.text, Classes((wrong[each.text],)), annotator="ada") for each in said],
    )
    (workspace.supervision_folder / NAME / "rounds.jsonl").unlink()
    again = choose_next(workspace, project, NAME, WordEmbedder(), n=10, strategy="diverse-uncertainty")
    assert again.chosen == right.chosen
    known = {each.item_id: each.text for each in open_texts(project, NAME)}
    assert {known[uid] for uid in right.chosen} & set(tests) == {known[uid] for uid in right.test}


def labelled(store: Store) -> list[LabelledText]:
    from doyen.annotation import labelled_texts

    return list(labelled_texts(store, NAME))


def test_frozen_questions_are_never_chosen(workspace: Workspace, project: Store) -> None:
    frozen = [Question(id=str(n), question=text.upper(), answers=["x"]) for n, text in enumerate(ALL[:100])]
    register_questions(workspace, frozen[:50], "registered")
    found = choose_next(workspace, project, NAME, WordEmbedder(), n=50, frozen=frozen[50:])
    texts = {each.item_id: each.text for each in open_texts(project, NAME)}
    assert 0 < len(found.chosen) <= 20
    assert not {texts[uid] for uid in found.chosen} & set(ALL[:100])


def test_the_curve_needs_test_texts_and_then_advises(workspace: Workspace, project: Store) -> None:
    tests = [text for text in ALL if is_test_text(text, 0.2)]
    label(workspace, project, [text for text in ALL if text not in tests][::2])
    assert choose_next(workspace, project, NAME, WordEmbedder(), n=5).advice.startswith("Label on: 0 test texts")
    label(workspace, project, tests[:20])
    found = choose_next(workspace, project, NAME, WordEmbedder(), n=5)
    assert (found.metric, len(found.curve)) == ("accuracy", 5)
    assert found.curve[-1].score == 1.0
    assert found.advice.startswith("Stop: ")
    assert "100" in found.as_text() or "1.000" in found.as_text()


def test_questions_are_chosen_by_what_a_model_would_answer(workspace: Workspace, store: Store) -> None:
    create_project(workspace, store, NAME, "prompt-response")
    prompts = [f"What does {letter}{letter}{letter} mean?" for letter in "abcdefghijklmnopqrst"]
    prompt_tasks(store, NAME, [(prompt, None) for prompt in prompts])
    embedder = WordEmbedder()
    assert choose_next(workspace, store, NAME, embedder, n=5).strategy == "facility-location"
    asked: list[str] = []

    def likelihood(texts):
        asked.extend(text.prompt for text in texts)
        return np.array([-5.0 if text.prompt == kept[0] else -0.1 for text in texts], np.float32)

    kept = [prompt for prompt in prompts if not is_test_text(prompt, 0.2)]
    found = choose_next(workspace, store, NAME, embedder, n=5, strategy="least-confidence", likelihood=likelihood)
    assert sorted(asked) == sorted(kept)
    chosen = {each.item_id: each.prompt for each in open_texts(store, NAME)}
    assert next(chosen[uid] for uid in found.chosen if uid not in found.test) == kept[0]


def test_what_cannot_be_asked(workspace: Workspace, project: Store, store: Store) -> None:
    with pytest.raises(InputError, match="known ones are random"):
        choose_next(workspace, project, NAME, WordEmbedder(), strategy="psychic")
    create_project(workspace, store, "links", "coreference")
    with pytest.raises(InputError, match="facility-location or core-set"):
        choose_next(workspace, store, "links", WordEmbedder(), strategy="margin")


# Curve


def curve(best: float, loss: float, rate: float) -> list[Point]:
    points = [(n, best - loss * n**-rate) for n in (50, 100, 200, 400, 800)]
    return [Point(n, value, value - 0.005, value + 0.005) for n, value in points]


def test_the_power_law_is_found_again() -> None:
    found = forecast(curve(0.95, 2.0, 0.6), 0.93, 100, seed=1)
    assert found is not None
    assert found.best == pytest.approx(0.95, abs=0.002)
    assert found.needed == pytest.approx((2.0 / 0.02) ** (1 / 0.6), rel=0.1)
    assert found.low is not None
    assert found.low <= found.needed
    beyond = forecast(curve(0.90, 2.0, 0.6), 0.95, 100, seed=1)
    assert beyond is not None
    assert beyond.needed is None


def test_advice() -> None:
    def advice(points: list[Point], target: float, n_open: int = 500) -> str:
        return advise(points, forecast(points, target, 400, 1), 400, 0.005, n_open, 50)

    assert advice(curve(0.95, 2.0, 0.6), 0.93).startswith("Label on: about ")
    assert "the target 0.8 is reached" in advice(curve(0.95, 2.0, 0.6), 0.8)
    assert "promise" in advice(curve(0.90, 0.5, 1.5), 0.95)
    assert "guideline" in advice(curve(0.90, 2.0, 0.5), 0.99)
    assert advice(curve(0.90, 2.0, 0.5), 0.99, n_open=0).startswith("Stop: nothing")
    assert advise([], None, 100, 0.005, 0, 0) == "Stop: nothing is left to label."
