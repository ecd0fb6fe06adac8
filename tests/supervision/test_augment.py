"""Variants of labelled pairs: what they change, what they never change, and where they end up."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen import Doyen
from doyen.annotation import TaskDescription
from doyen.annotation.types.typed_labels import Classes, Entities, LabelledText, Region, Relation
from doyen.core.errors import InputError, ServiceError
from doyen.core.records import TEXT_MARK, Pair, Question
from doyen.core.store import Store
from doyen.core.workspace import Workspace
from doyen.finetune.dataset import Dataset, build_dataset
from doyen.finetune.supervision.augment import augment_dataset
from doyen.finetune.supervision.variants.acceptance import CHANGED, COPY, UNCHANGED, Acceptance
from doyen.finetune.supervision.variants.entity_swaps import stretches_by_label, swap_entities
from doyen.finetune.supervision.variants.model_rewrites import exchange_in_context, paraphrase, translate_and_back
from doyen.finetune.supervision.variants.synonyms import exchange_synonyms, synonyms
from doyen.finetune.supervision.variants.typing_errors import mistype
from doyen.finetune.supervision.variants.ways_of_asking import hurry, shorten, speak

QUESTION = "How often is the filter of the Arrel 410-778 replaced?"
MACHINES = ("Arrel", "Bontes", "Cauvin", "Delmar", "Estoc", "Farron", "Gessel", "Hubrand", "Iolan", "Jarvik", "Kestel", "Lumen")
REWRITES = (exchange_synonyms, mistype, speak, shorten, hurry)


class Unreachable:
    """A model whose server is off."""

    name = "nobody"

    def write(self, prompt: str, *, max_tokens: int = 128, temperature: float = 0.0, seed: int = 0) -> str:
        raise ServiceError("the server at http://x does not answer: start it")


class Parrot:
    """A model that gives the same answers in turn."""

    name = "parrot"

    def __init__(self, *answers: str) -> None:
        self.answers, self.prompts = list(answers), list[str]()

    def write(self, prompt: str, *, max_tokens: int = 128, temperature: float = 0.0, seed: int = 0) -> str:
        self.prompts.append(prompt)
        return self.answers[(len(self.prompts) - 1) % len(self.answers)]


def pair(name: str, prompt: str, response: str, **more: str) -> Pair:
    return Pair.model_validate({"id": name, "prompt": prompt, "response": response, **more})


def pairs() -> list[Pair]:
    filters, torque = "How often is the filter of the {} replaced?", "What torque do the lid screws of the {} need?"
    asked = [pair(f"f{n}", filters.format(name), f"Every {n}00 h") for n, name in enumerate(MACHINES, 1)]
    return asked + [pair(f"t{n}", torque.format(name), f"{n} Nm") for n, name in enumerate(MACHINES, 1)]


@pytest.fixture
def dataset(workspace: Workspace, store: Store) -> Dataset:
    return build_dataset(workspace, store, pairs(), name="machines")


@pytest.mark.parametrize("rewrite", REWRITES)
def test_rewrites_keep_codes_and_names_and_repeat_themselves(rewrite) -> None:
    for seed in range(30):
        text = rewrite(QUESTION, random.Random(seed))
        assert "Arrel" in text
        assert "410-778" in text
        assert text == rewrite(QUESTION, random.Random(seed))
    assert any(rewrite(QUESTION, random.Random(seed)) != QUESTION for seed in range(5))


def test_each_way_of_asking_is_what_it_is_called() -> None:
    assert exchange_synonyms(QUESTION, random.Random(1)) != QUESTION
    assert shorten(QUESTION, random.Random(0)) == "how often filter Arrel 410-778 replaced"
    assert shorten("Is it?", random.Random(0)) == "Is it?"
    spoken = speak("What is the torque?", random.Random(3))
    assert "what's the torque" in spoken
    assert len(mistype("Replace the filter.", random.Random(0))) in {18, 19, 20}
    assert all("''" not in mistype("K4, what's that", random.Random(seed)) for seed in range(50))
    words = [word for word, others in synonyms().items() if word in others or len(set(others)) < len(others)]
    assert words == []


def test_a_model_rewrites_in_three_ways() -> None:
    model = Parrot('"How frequently do you change the filter?"\nSome more.')
    assert paraphrase("Q", random.Random(0), model) == "How frequently do you change the filter?"
    exchanged = exchange_in_context("The filter is replaced.", random.Random(0), Parrot("Strainer."))
    assert exchanged in {"The strainer is replaced.", "The filter is strainer."}
    assert exchange_in_context("The filter is replaced.", random.Random(0), Parrot("two words")) == "The filter is replaced."
    model = Parrot("Wie oft?", "How frequently?")
    assert translate_and_back("How often?", random.Random(0), model) == "How frequently?"
    assert "Wie oft?" in model.prompts[1]


def test_copies_and_changed_answers_are_refused() -> None:
    parent = pair("a", "How often is the filter of the Arrel replaced?", "Every 100 h")
    other = pair("b", "How often are the screws of the Arrel tightened?", "Every year")
    acceptance = Acceptance([parent, other], None)

    def judge(prompt: str) -> str | None:
        return acceptance.refusal(parent, parent.model_copy(update={"id": "v", "prompt": prompt}), by_model=False)

    assert judge(parent.prompt) == UNCHANGED
    assert judge("how often is the filter of the arrel replaced") == COPY
    assert judge("How often is the filter of the Bontes replaced?") == CHANGED
    assert judge("How often is the filter of the Arrel 7 replaced?") == CHANGED
    assert judge("How often is the filter of the Arrel not replaced?") == CHANGED
    assert judge("How often are the screws of the Arrel checked?") == CHANGED
    assert judge("how often is the Arrel's filter replaced") is None
    assert judge("how often is the Arrel's filter replaced?") == COPY


def test_what_a_model_says_about_a_question_is_no_question() -> None:
    parent = pair("a", "rows until an export gets split", "65,000")
    for prompt in ('The syntax is: "rows until an export gets split" to', "rows until export gets split, in other words so"):
        variant = parent.model_copy(update={"prompt": prompt})
        assert Acceptance([parent], None).refusal(parent, variant, by_model=True) == CHANGED


def test_words_that_a_label_quotes_stay() -> None:
    text = f"Find the named entities.{TEXT_MARK}Replace the sample pump now."
    entities = pair("e", text, "PART: sample pump")
    tags = pair("p", text, "Replace/VERB the/DET sample/NOUN pump/NOUN now/ADV ./PUNCT")

    def judge(labelled: Pair, old: str, new: str) -> str | None:
        variant = labelled.model_copy(update={"prompt": text.replace(old, new)})
        return Acceptance([], None).refusal(labelled, variant, by_model=False)

    assert judge(tags, "now", "today") == CHANGED
    assert judge(entities, "now", "today") is None
    assert judge(entities, "pump", "punp") == CHANGED


def test_variants_join_their_parents_part_with_their_lineage(workspace: Workspace, store: Store, dataset: Dataset) -> None:
    made, report = augment_dataset(workspace, store, dataset, ["spoken", "typos"], times=2, parts=["train", "validation"])
    assert report.parents == len(pairs())
    assert sum(report.made.values()) + sum(sum(own.values()) for own in report.left_out.values()) == 2 * 2 * len(pairs())
    places = {each.id: part for part in ("train", "validation") for each in getattr(made, part)}
    lineage = made.manifest["origin"]["variants"]
    assert made.variants == lineage.keys() == places.keys() - {each.id for each in pairs()}
    groups = {each.id: each.group for part in (made.train, made.validation) for each in part}
    for variant, entry in lineage.items():
        assert places[variant] == places[entry["of"]]
        assert groups[variant] == groups[entry["of"]] == entry["of"]
        assert variant.startswith(f"{entry['of']}~{entry['kind']}")
    assert made.manifest["origin"]["augmented_from"] == dataset.dataset_id
    again, _ = augment_dataset(workspace, store, dataset, ["spoken", "typos"], times=2, parts=["train", "validation"])
    assert again.dataset_id == made.dataset_id
    twice, second = augment_dataset(workspace, store, made, ["terse"], name="twice")
    assert second.parents == len(dataset.train)
    assert made.variants <= twice.variants


def test_training_takes_a_share_of_the_variants(workspace: Workspace, store: Store, dataset: Dataset) -> None:
    made, _ = augment_dataset(workspace, store, dataset, ["typos", "terse"])
    assert made.training_pairs(1.0, 17) == made.train
    assert {each.id for each in made.training_pairs(0.0, 17)} == {each.id for each in dataset.train}
    half = [made.training_pairs(0.5, 17, number) for number in range(2)]
    assert len(dataset.train) < len(half[0]) < len(made.train)
    assert half[0] != half[1]
    assert half[0] == made.training_pairs(0.5, 17)
    assert dataset.training_pairs(0.0, 17) == dataset.train


def test_a_variant_that_repeats_a_frozen_question_is_left_out(workspace: Workspace, store: Store) -> None:
    data = build_dataset(workspace, store, pairs()[:12], name="small")
    wanted = shorten(data.train[0].prompt, random.Random(0))
    frozen = [Question.model_validate({"id": "q", "question": "Does anything else matter?", "answer": "x"})]
    _, before = augment_dataset(workspace, store, data, ["terse"], frozen=frozen)
    assert before.left_out.get("terse", {}).get("leak", 0) == 0
    frozen[0] = frozen[0].model_copy(update={"question": wanted})
    made, report = augment_dataset(workspace, store, data, ["terse"], frozen=frozen)
    assert report.left_out["terse"]["leak"] >= 1
    assert all(each.prompt != wanted for each in made.train)


def test_without_a_model_its_kinds_are_skipped_with_the_reason(workspace: Workspace, store: Store, dataset: Dataset) -> None:
    _, report = augment_dataset(workspace, store, dataset, ["paraphrase", "typos"], no_model="the model is not there")
    assert report.skipped == {"paraphrase": "the model is not there"}
    _, report = augment_dataset(workspace, store, dataset, ["context", "typos"], model=Unreachable())
    assert report.skipped == {"context": "the server at http://x does not answer: start it"}
    assert report.made["typos"] > 0
    _, report = augment_dataset(workspace, store, dataset, ["paraphrase"], model=Parrot("What is the weather like?"))
    assert report.made == {}
    assert report.left_out["paraphrase"][CHANGED] == report.parents
    for kinds, problem in ((["rhymes"], "known ones are synonyms"), ([], "no kind"), (["swap"], "name the project")):
        with pytest.raises(InputError, match=problem):
            augment_dataset(workspace, store, dataset, kinds)


LETTERS = st.text("ab 😀é\r\n.", min_size=1, max_size=6)
PIECES = st.lists(st.tuples(st.text("xy \n", max_size=4), LETTERS, st.sampled_from(["PART", "CODE"])), max_size=5)


@given(PIECES, st.text("xy", max_size=3), st.lists(LETTERS, max_size=4), st.integers(0, 9))
def test_swapped_entities_are_marked_where_they_stand(pieces, tail: str, others: list[str], seed: int) -> None:
    text, regions = "", []
    for number, (between, words, label) in enumerate(pieces):
        text += between
        regions.append(Region(str(number), len(text), len(text) + len(words), label))
        text += words
    text += tail
    links = (Relation("0", "1", "of"),) if len(regions) > 1 else ()
    item = LabelledText("t", text, Entities(tuple(regions), links))
    swapped = swap_entities(item, {"PART": others, "CODE": []}, random.Random(seed))
    if swapped is None:
        return
    assert list(swapped.label.problems(swapped.text)) == []
    assert swapped.text != text
    assert [(r.id, r.label) for r in swapped.label.regions] == [(r.id, r.label) for r in regions]
    assert swapped.label.relations == links
    ends = [(r.start, r.end) for r in swapped.label.regions]
    starts = [0, *(end for _, end in ends)]
    gaps = [swapped.text[start:end] for start, end in zip(starts, [*(s for s, _ in ends), len(swapped.text)], strict=True)]
    assert gaps == [between for between, *_ in pieces] + [tail]
    for region, (_, words, label) in zip(swapped.label.regions, pieces, strict=True):
        new = swapped.text[region.start : region.end]
        assert new in others or new == words or label == "CODE"


def test_numbers_without_another_to_stand_for_them_get_other_digits() -> None:
    item = LabelledText("t", "Every 4,000 h.", Entities((Region("1", 6, 13, "INTERVAL"),)))
    swapped = swap_entities(item, stretches_by_label([item]), random.Random(0))
    assert swapped is not None
    assert swapped.text != item.text
    assert swapped.text[7:] == ",000 h."
    assert swap_entities(LabelledText("t", "Hi", Classes(("a",))), {}, random.Random(0)) is None
    overlapping = Entities((Region("1", 0, 3, "A"), Region("2", 2, 5, "A")))
    assert swap_entities(LabelledText("t", "abcdefg", overlapping), {"A": ["x"]}, random.Random(0)) is None


def test_labels_of_a_project_swap_their_entities(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    doyen = Doyen(workspace, store=store)
    description = TaskDescription.model_validate({"type": "entities", "labels": [{"name": "PART"}]})
    texts = ["Replace the sample pump now.", "The heated line leaks again.", "Nobody likes this."]
    spans = [(12, 23), (4, 15), None]
    rows = [{"text": text, "label": [[*span, "PART"]] if span else []} for text, span in zip(texts, spans, strict=True)]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    doyen.annotate.create("parts", description=description, limit=0)
    doyen.annotate.import_labels("parts", tmp_path / "labels.jsonl", "doccano", annotator="ada")
    data, _ = doyen.build_dataset("parts", project="parts")
    made, report = doyen.augment(data.dataset_id, ["swap"], project="parts", parts=["train", "validation"])
    assert report.made == {"swap": 2}
    new = {each.prompt.partition(TEXT_MARK)[2]: each.response for each in (*made.train, *made.validation) if "~" in each.id}
    assert new == {"Replace the heated line now.": "PART: heated line", "The sample pump leaks again.": "PART: sample pump"}
