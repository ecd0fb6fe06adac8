"""``doyen label next``: which texts to label next, as one sequence of steps.

A share of all texts is set aside by a hash of what they say, labelled or not, to measure with: no model that chooses is
trained on them, and no strategy sees them. A round holds some of them, drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from doyen.annotation import OpenText, get_project, labelled_texts, open_texts, set_order
from doyen.annotation.store import task_type_of
from doyen.annotation.types.descriptions import TypeName
from doyen.annotation.types.typed_labels import LabelledText, prompt_of
from doyen.core.batches import batched
from doyen.core.errors import InputError
from doyen.core.frozen_questions import frozen_questions
from doyen.core.manifest import now, short_id
from doyen.core.progress import Reporter, Silent
from doyen.core.records import Question
from doyen.core.settings import ActiveSettings
from doyen.core.store import Store
from doyen.core.text import normalise
from doyen.core.workspace import Workspace
from doyen.finetune.similarity import content_words, near_duplicate_pairs
from doyen.finetune.supervision.learners import Features, Learner, Model, TokenStates, learner_for
from doyen.finetune.supervision.learning_curve import advise, forecast, learning_curve
from doyen.finetune.supervision.rounds import Round, add_round, read_rounds
from doyen.finetune.supervision.strategies import NEEDS_MODEL, Floats, Pool, Rows, Strategy, choose
from doyen.finetune.supervision.text_vectors import Encoder, KnownVectors

COLD_START = Strategy.FACILITY_LOCATION
"""What chooses before a model can be trained: texts that stand for many others."""
WITH_MODEL = Strategy.DIVERSE_UNCERTAINTY
TOKEN_SHARE = 10
"""Of a task whose words are embedded each time, one text in so many is looked at."""
Likelihood = Callable[[Sequence[OpenText]], Floats]
"""Mean log-probability, 0 or less, of the tokens of a model's own answer to each open question."""


PART = 256
"""Texts whose features are held at once."""
LIKELIHOOD_POOL = 200
"""Open questions that a model is asked at most: each answer takes about a second."""


class TextEmbedder(Encoder, TokenStates, Protocol):
    """What vectors of texts and states of their words come from."""


class TrainedModel(Protocol):
    """A model that is trained already (``finetune.heads.head_learner.HeadLearner``)."""

    @property
    def name(self) -> str:
        """Its name, for the round's log."""

    def features(self, texts: Sequence[str]) -> Features:
        """Return what the model sees of texts."""

    def model(self) -> Model:
        """Return the model."""


@dataclass(frozen=True)
class _Texts:
    """The texts of a project, apart from those set aside: what choices see (``open``, ``labelled``), and the rest."""

    open: list[OpenText]
    labelled: list[LabelledText]
    open_test: list[OpenText]
    labelled_test: list[LabelledText]

    @property
    def n_open(self) -> int:
        """How many texts are open, set aside or not."""
        return len(self.open) + len(self.open_test)


def choose_next(
    workspace: Workspace,
    store: Store,
    project: str,
    embedder: TextEmbedder,
    *,
    strategy: str | None = None,
    n: int | None = None,
    target: float | None = None,
    frozen: Sequence[Question] = (),
    likelihood: Likelihood | None = None,
    trained: TrainedModel | None = None,
    reporter: Reporter | None = None,
) -> Round:
    """Choose the texts to label next, have them served first, and log the round; ``push(…, scores=True)`` sends the order.

    Args:
        embedder: gives vectors of texts and states of their words (`open_embedder`).
        strategy: its name; None takes the settings'.
        n: texts of the round; None takes the settings'.
        target: score to which the labels still needed are estimated; None takes the settings'.
        frozen: more evaluation questions than those registered in the workspace: what nearly repeats one is never chosen.
        likelihood: of answers to prompt/response questions, by which strategies with a model go there.
        trained: says how sure it is of each text, in place of a small model that is trained on the labels. The curve stays that
            of the small model: this one has seen labels of the test texts.

    Raises:
        NotFoundError: there is no such project.
        InputError: it is a review project, the strategy is unknown, or it needs a model that the task type has not.
    """
    settings = workspace.settings.supervision.active
    count = n or settings.batch
    folder = workspace.supervision_folder / project
    number = len(read_rounds(folder)) + 1
    seed = settings.seed + number
    vectors = KnownVectors(folder, embedder)
    kind = task_type_of(get_project(store, project)).description
    learner = learner_for(kind, embedder, vectors)
    wanted = _strategy(strategy or settings.strategy, learner, kind.type)
    asked = frozen_questions(workspace, frozen)
    texts = _set_aside(open_texts(store, project), labelled_texts(store, project), asked, settings, seed)
    shown = texts.open[: _pool_size(kind.type, wanted, settings)]
    with (reporter or Silent()).bar("embedding texts", None):
        pool_vectors = vectors([_words_of(text) for text in shown])
        known_vectors = vectors([_words_of(text) for text in texts.labelled])
    train, targets = _examples(learner, texts.labelled)
    model = learner.fit(train, targets) if learner is not None and targets else None
    head = trained if learner is not None else None
    used, reason = _usable(wanted, model is not None or head is not None, likelihood if learner is None else None)
    if head is not None and used in NEEDS_MODEL:
        judge = head.name
        unsure = _uncertainty(used, shown, head, head.model(), likelihood, seed)
    else:
        judge = ""
        unsure = _uncertainty(used, shown, learner, model, likelihood, seed)
    costs = np.array([_seconds(text.text, settings) for text in shown], np.float32)
    tests = _tests_wanted(texts, count, settings)
    rows = choose(used, Pool(pool_vectors, known_vectors, costs, unsure), count - tests, seed)
    drawn = [text.item_id for text in texts.open_test[: tests if shown else count]]
    batch = _interleaved([shown[row].item_id for row in rows], drawn, seed)
    set_order(store, project, [*batch, *_rest(shown, unsure, set(batch)), *_ids(texts.open_test, set(batch))])
    made = Round(
        number=number,
        at=now(),
        project=project,
        strategy=used,
        reason=reason,
        seed=seed,
        chosen=batch,
        test=drawn,
        labelled=len(texts.labelled),
        labelled_test=len(texts.labelled_test),
        open=texts.n_open,
        seconds=round(_cost_of(batch, [*texts.open, *texts.open_test], settings), 1),
        judge=judge,
    )
    if learner is not None:
        made = _with_curve(made, learner, train, targets, texts, target or settings.target, count, settings)
    add_round(folder, made)
    return made


def _with_curve(
    made: Round,
    learner: Learner,
    train: Features,
    targets: Sequence[Any],
    texts: _Texts,
    target: float,
    count: int,
    settings: ActiveSettings,
) -> Round:
    """Return the round with the learning curve, what the target needs, and whether to go on."""
    test, test_targets = _examples(learner, texts.labelled_test)
    curve = learning_curve(learner, train, targets, test, test_targets, settings.seed) if targets else []
    ahead = forecast(curve, target, count, settings.seed)
    advice = advise(curve, ahead, count, settings.min_gain, texts.n_open, len(texts.labelled_test))
    return replace(made, metric=learner.metric, curve=curve, forecast=ahead, advice=advice)


def is_test_text(text: str, share: float) -> bool:
    """Whether a text is set aside to measure with: decided by a hash of its words alone, and so the same for ever."""
    return int(short_id("test text", normalise(text)), 16) < share * 16**16


def _strategy(name: str | None, learner: Learner | None, task_type: str) -> Strategy:
    """Return the named strategy, else the default; InputError where it is unknown, or needs a model that there cannot be."""
    try:
        wanted = Strategy(name or (WITH_MODEL if learner is not None else COLD_START))
    except ValueError as error:
        raise InputError(f"there is no strategy {name!r}: known ones are {', '.join(Strategy)}") from error
    if wanted in NEEDS_MODEL and learner is None and task_type != TypeName.PROMPT_RESPONSE:
        raise InputError(f"{wanted} needs a model, and there is none for {task_type}: choose {COLD_START} or core-set")
    return wanted


def _pool_size(task_type: str, strategy: Strategy, settings: ActiveSettings) -> int:
    """Return how many open texts are looked at."""
    if task_type == TypeName.ENTITIES:
        return settings.pool // TOKEN_SHARE
    asked = task_type == TypeName.PROMPT_RESPONSE and strategy in NEEDS_MODEL
    return min(settings.pool, LIKELIHOOD_POOL) if asked else settings.pool


def _set_aside(
    waiting: Iterable[OpenText],
    labelled: Iterable[LabelledText],
    frozen: Sequence[Question],
    settings: ActiveSettings,
    seed: int,
) -> _Texts:
    """Part the texts, the open ones in random order; what a frozen question asks is in neither part."""
    texts = _Texts([], [], [], [])
    found = _not_frozen(list(waiting), frozen)
    for row in np.random.default_rng(seed).permutation(len(found)):
        text = found[row]
        (texts.open_test if is_test_text(_words_of(text), settings.test_share) else texts.open).append(text)
    for label in labelled:
        (texts.labelled_test if is_test_text(_words_of(label), settings.test_share) else texts.labelled).append(label)
    return texts


def _not_frozen(texts: list[OpenText], frozen: Sequence[Question]) -> list[OpenText]:
    if not frozen:
        return texts
    asked = [content_words(question.question) for question in frozen]
    repeats = {row for row, _ in near_duplicate_pairs([content_words(_words_of(text)) for text in texts], asked)}
    return [text for row, text in enumerate(texts) if row not in repeats]


def _words_of(text: OpenText | LabelledText) -> str:
    """Return what is compared and set aside: the question where there is one, else the text."""
    prompt = text.prompt if isinstance(text, OpenText) else prompt_of(text.label)
    return prompt or text.text


def _examples(learner: Learner | None, labelled: Sequence[LabelledText]) -> tuple[Features, list[Any]]:
    if learner is None or not labelled:
        return Features.of_texts([]), []
    texts = [label.text for label in labelled]
    return learner.features(texts), learner.targets(texts, [label.label for label in labelled])


def _usable(wanted: Strategy, can_judge: bool, likelihood: Likelihood | None) -> tuple[Strategy, str]:
    """Return the strategy that can be followed now, and why where it is not the one that is wanted."""
    if wanted not in NEEDS_MODEL or can_judge or likelihood is not None:
        return wanted, ""
    return COLD_START, f"{wanted} needs a model, and there are too few labels to train one or no adapter to ask"


def _uncertainty(
    strategy: Strategy,
    shown: Sequence[OpenText],
    learner: Learner | TrainedModel | None,
    model: Model | None,
    likelihood: Likelihood | None,
    seed: int,
) -> Floats | None:
    if learner is not None and model is not None and shown:
        # In parts: of entities each token is a row of more than a thousand numbers.
        parts = (learner.features([text.text for text in part]) for part in batched(shown, PART))
        return np.concatenate([model.uncertainty(features, strategy, seed) for features in parts])
    if strategy in NEEDS_MODEL and likelihood is not None:
        return (1 - np.exp(likelihood(shown))).astype(np.float32)
    return None


def _tests_wanted(texts: _Texts, count: int, settings: ActiveSettings) -> int:
    """Return how many test texts a round holds."""
    missing = max(settings.test_texts - len(texts.labelled_test), 0)
    return min(round(count * settings.test_share), missing, len(texts.open_test))


def _interleaved(chosen: Sequence[str], drawn: Sequence[str], seed: int) -> list[str]:
    """Return the chosen in their order with the test texts at random places among them."""
    places = np.random.default_rng(seed).random(len(drawn)) * len(chosen)
    ranked = [*((float(place), uid) for place, uid in enumerate(chosen)), *zip(places.tolist(), drawn, strict=True)]
    return [uid for _, uid in sorted(ranked)]


def _rest(shown: Sequence[OpenText], unsure: Floats | None, taken: set[str]) -> list[str]:
    """Return the ids of what was not chosen, the least certain first."""
    order: Rows = np.arange(len(shown)) if unsure is None else np.argsort(-unsure, kind="stable")
    return _ids([shown[row] for row in order], taken)


def _ids(texts: Iterable[OpenText], taken: set[str]) -> list[str]:
    return [text.item_id for text in texts if text.item_id not in taken]


def _seconds(text: str, settings: ActiveSettings) -> float:
    """Return what labelling a text is estimated to cost."""
    return settings.seconds_per_text + settings.seconds_per_word * len(text.split())


def _cost_of(chosen: Iterable[str], texts: Iterable[OpenText], settings: ActiveSettings) -> float:
    costs = {text.item_id: _seconds(text.text, settings) for text in texts}
    return sum(costs[uid] for uid in chosen)
