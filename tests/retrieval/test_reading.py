"""The reader: windows over long passages, spans that stand in them, its files, and what is fitted to its scores."""

from __future__ import annotations

import json
import math
import shutil
import threading
from dataclasses import asdict, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from support.tiny_reader import FACTS
from transformers import AutoTokenizer

from doyen.core.answers import Passage
from doyen.core.errors import ModelMissing
from doyen.core.models import resolve_embedder
from doyen.retrieval.reading import reader as reader_module
from doyen.retrieval.reading.calibration import Calibration, Observation, Ranking, SpanObservation, fit_calibration
from doyen.retrieval.reading.findings import Finding, PassageReader, find_spans
from doyen.retrieval.reading.reader import Reader, Reading, Span, _apart, _best_spans, _whole_words
from doyen.retrieval.reading.reader_files import CONFIG, WEIGHTS
from doyen.retrieval.reading.reader_network import BASE, ReaderConfig, load_network, save_network
from doyen.retrieval.reading.span_evidence import SpanEvidence, stated_share
from doyen.retrieval.reading.token_windows import MAX_TOKENS, OVERLAP, Window, batches, collate, make_windows
from doyen.retrieval.units import split_sentences


@cache
def load_tokenizer():
    return AutoTokenizer.from_pretrained(resolve_embedder(BASE)[0])


@pytest.fixture(scope="module")
def reader(tiny_reader: Path) -> Reader:
    return Reader(tiny_reader, dtype="float32")


def windows_of(question: str, passage: str) -> list[Window]:
    return make_windows(load_tokenizer(), [question], [passage])


# Windows


LONG = " ".join(f"Straße {number}: die Pumpe läuft {number * 7} Stunden 😀 naïve 保质期{number}天." for number in range(150))


def test_windows_of_a_long_passage_cover_all_of_it_and_overlap():
    found = windows_of("Wie lange?", LONG)
    assert len(found) > 3
    assert {window.pair for window in found} == {0}
    assert max(len(window.ids) for window in found) <= MAX_TOKENS
    whole = load_tokenizer()(LONG, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    assert sorted({offset for window in found for offset in window.offsets}) == sorted(set(whole))
    for window, following in pairwise(found):
        assert window.offsets[-OVERLAP:] == following.offsets[:OVERLAP]


@given(st.text(max_size=300), st.text(alphabet="abc ?é保", max_size=40))
@settings(max_examples=60, deadline=None)
def test_offsets_are_those_of_the_passage(passage: str, question: str):
    for window in windows_of(question, passage):
        tokens = load_tokenizer().convert_ids_to_tokens(window.ids)
        assert tokens[window.first - 1] == tokens[-1] == "[SEP]"
        assert len(window.ids) == window.first + len(window.offsets) + 1
        for token, (start, end) in zip(tokens[window.first : -1], window.offsets, strict=True):
            assert 0 <= start < end <= len(passage)
            if token.isascii() and passage[start:end].isascii() and token != "[UNK]":
                # The tokenizer leaves control characters out: "0\b0" is one token "00" over three characters.
                shown = "".join(char for char in passage[start:end] if char.isprintable())
                assert shown.lower() == token.removeprefix("##")


@pytest.mark.parametrize("question", ["", "word " * 2000 + "when?", "zqx" * 30 + " " + "qzx" * 400, "가" * 500, "?!" * 700])
def test_a_question_of_any_length_leaves_room_for_the_passage(question: str):
    found = windows_of(question, LONG)
    assert max(len(window.ids) for window in found) <= MAX_TOKENS
    assert found[-1].offsets[-1] == (len(LONG) - 1, len(LONG))


def test_of_a_long_question_the_end_is_read():
    window = windows_of("before " * 500 + "how many Stunden?", "7")[0]
    assert load_tokenizer().decode(window.ids[: window.first]).endswith("before how many stunden? [SEP]")


def test_an_empty_passage_has_a_window_without_tokens(reader: Reader):
    (window,) = windows_of("What?", "")
    assert list(window.offsets) == []
    first, second = reader.read("What?", ["", "The torque is 18 Nm."])
    assert first.spans == ()
    assert second.spans
    assert reader.read("What?", []) == []


def test_batches_hold_each_window_once_and_keep_to_the_limit():
    found = make_windows(load_tokenizer(), ["Which?"] * 40, ["word " * (number * 13 % 37) for number in range(40)])
    groups = batches(found, 200)
    assert sorted(place for group in groups for place in group) == list(range(40))
    assert all(len(group) * max(len(found[place].ids) for place in group) <= 200 for group in groups)
    assert [len(group) for group in batches(found, 1)] == [1] * 40


def test_an_answer_may_begin_at_the_passage_and_at_no_answer_only():
    window = windows_of("Which torque?", "It is 18 Nm.")[0]
    batch = collate([window, windows_of("Which torque do the screws get, and why?", "It is 18 Nm, crosswise.")[0]])
    allowed = batch.spans[0].nonzero().flatten().tolist()
    assert allowed == [0, *range(window.first, window.first + len(window.offsets))]
    assert batch.mask[0].sum() == len(window.ids)


# Spans


TRICKY = [
    "The wear may be 0.4 mm, or 1,250.75 euro; part AB-1234/7 (valve V7).",
    "naïve Straße 😀 cafe\u0301 e\u0301te\u0301 İstanbul'da 5°C",
    "हिन्दी में उत्तर",
    "保质期30天内有效，请冷藏。",
    "ab cd",
    "x",
]


@pytest.mark.parametrize("passage", TRICKY)
@pytest.mark.parametrize("count", [1, 3, 10])
def test_spans_are_whole_words_of_the_passage_and_do_not_overlap(reader: Reader, passage: str, count: int):
    (reading,) = reader.read("What is it?", [passage], spans=count)
    assert 1 <= len(reading.spans) <= count
    for span in reading.spans:
        assert 0 <= span.start < span.end <= len(passage)
        assert np.isfinite(span.score)
        assert not passage[span.start : span.end][0].isspace()
    taken = sorted((span.start, span.end) for span in reading.spans)
    assert all(first[1] <= second[0] for first, second in pairwise(taken))
    assert [span.score for span in reading.spans] == sorted((span.score for span in reading.spans), reverse=True)


@pytest.mark.parametrize(
    ("text", "piece", "whole"),
    [
        ("the Corvo300x pump", "vo300", "Corvo300x"),
        ("a wear of 0.4 mm", "4 mm", "0.4 mm"),
        ("a wear of 0.4 mm", "0", "0.4"),
        ("costs 1,250.75 euro", "250", "1,250.75"),
        ("every 14, 15 or 16 days", "14", "14"),
        ("the end is 14. Then", "14", "14"),
        ("trap QC-30-0080 fits", "30-0080", "QC-30-0080"),
        ("trap QC-30-0080 fits", "QC", "QC-30-0080"),
        ("a 12-screen cinema", "12", "12"),
        ("a 12-screen cinema", "screen", "screen"),
        ("version 2, for firmware 2.9", ", for firmware 2.9", "for firmware 2.9"),
        ("a cafe\u0301 opens", "cafe", "cafe\u0301"),
        ("हिन्दी में उत्तर", "म", "में"),
        ("保质期30天内有效", "30天", "30天"),
        ("in Straße 7", "raß", "Straße"),
    ],
)
def test_a_span_is_widened_to_whole_words_and_numbers(text: str, piece: str, whole: str):
    start = text.index(piece)
    found = _whole_words(text, start, start + len(piece))
    assert text[slice(*found)] == whole


def test_a_span_has_the_highest_expected_f1_among_those_at_the_likeliest_place():
    window = windows_of("Which?", "one two three four five")[0]
    generator = torch.Generator().manual_seed(3)
    text, first = "one two three four five", window.first
    spans = [(a, b) for a in range(5) for b in range(a, 5)]

    def f1(one: tuple[int, int], other: tuple[int, int]) -> float:
        shared = len({*range(one[0], one[1] + 1)} & {*range(other[0], other[1] + 1)})
        return 2 * shared / (one[1] - one[0] + other[1] - other[0] + 2)

    for _ in range(20):
        starts, ends = 2 * torch.randn(2, len(window.ids), generator=generator)
        score = {(a, b): float(starts[first + a] + ends[first + b] - starts[0] - ends[0]) for a, b in spans}
        peak = max(spans, key=score.__getitem__)
        near = [span for span in spans if f1(span, peak)]
        expected = {span: sum(math.exp(score[each] - score[peak]) * f1(span, each) for each in near) for span in near}
        a, b = max(near, key=expected.__getitem__)
        found = _best_spans(window, starts, ends, text, 3)
        assert (found[0].start, found[0].end) == (window.offsets[a][0], window.offsets[b][1])
        assert found[0].score == pytest.approx(score[peak], abs=1e-5)
        assert [span.score for span in found] == sorted((span.score for span in found), reverse=True)
        assert len(found) == len(_apart(found, 3))


def test_a_clear_answer_is_the_likeliest_span():
    window = windows_of("Which?", "one two three four five")[0]
    starts, ends = torch.zeros(2, len(window.ids))
    starts[window.first + 1] = ends[window.first + 2] = 9.0
    span = _best_spans(window, starts, ends, "one two three four five", 1)[0]
    assert (span.start, span.end, span.score) == (4, 13, 18.0)


def test_no_answer_runs_over_the_border_of_two_sentences():
    text = "It moves 60 litres a minute. Change its inlet filter, approx. one, every 45 days."
    window = windows_of("Which?", text)[0]
    places = [text[slice(*offset)] for offset in window.offsets]
    starts, ends = torch.zeros(2, len(window.ids))
    starts[window.first + places.index("60")] = ends[window.first + places.index("filter")] = 9.0
    ends[window.first + places.index("minute")] = 6.0
    span = _best_spans(window, starts, ends, text, 1)[0]
    assert text[span.start : span.end] == "60 litres a minute"
    starts[window.first + places.index("Change")] = ends[window.first + places.index("days")] = 20.0
    span = _best_spans(window, starts, ends, text, 1)[0]
    assert text[span.start : span.end] == "Change its inlet filter, approx. one, every 45 days", "abbreviations end no sentence"


def test_a_reader_finds_what_it_learned(reader: Reader):
    for number, (question, passage, answer) in enumerate(FACTS):
        readings = reader.read(question, [passage for _, passage, _ in FACTS])
        span = readings[number].spans[0]
        assert passage[span.start : span.end] == answer
        assert max(range(len(FACTS)), key=lambda place: readings[place].answers) == number


def test_an_answer_late_in_a_long_passage_is_found_at_its_place(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    long = f"{'Nothing of interest happened on that day. ' * 120}The zebra sleeps. {'Nor on the next one. ' * 40}"

    def score(windows):
        found = torch.zeros(len(windows), MAX_TOKENS)
        for row, window in enumerate(windows):
            for place, (start, end) in enumerate(window.offsets, start=window.first):
                found[row, place] = 5.0 if long[start:end] == "zebra" else -5.0
        return found, found, found.amax(1)

    monkeypatch.setattr(reader, "_scores", score)
    (reading,) = reader.read("Which animal?", [long])
    assert reading.spans == (Span(long.index("zebra"), long.index("zebra") + 5, 10.0),)
    assert reading.answers == 5.0


def test_batching_changes_no_result(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    passages = [passage * (1 + number * 5 % 7) for number, (_, passage, _) in enumerate(FACTS)] + [LONG, "", "x"]
    together = reader.read("How many days?", passages, spans=3)
    monkeypatch.setattr(reader_module, "BATCH_TOKENS", 1)
    alone = reader.read("How many days?", passages, spans=3)
    for first, second in zip(together, alone, strict=True):
        assert first.answers == pytest.approx(second.answers, abs=1e-3)
        assert [(span.start, span.end) for span in first.spans] == [(span.start, span.end) for span in second.spans]
        assert [span.score for span in first.spans] == pytest.approx([span.score for span in second.spans], abs=1e-3)


def test_threads_share_a_reader(reader: Reader):
    questions = ["Which torque? " * count for count in (1, 30, 60)]
    passages = [passage * 8 for _, passage, _ in FACTS[:2]]
    expected = [[item.answers for item in reader.read(question, passages)] for question in questions]
    failed = []

    def ask(place: int) -> None:
        for _ in range(5):
            found = [item.answers for item in reader.read(questions[place], passages)]
            if found != pytest.approx(expected[place], abs=1e-3):
                failed.append(place)

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(questions))]
    errors = []
    hook, threading.excepthook = threading.excepthook, errors.append
    try:
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    finally:
        threading.excepthook = hook
    assert (errors, failed) == ([], [])


# Files


def test_a_saved_reader_is_the_same_when_loaded(tiny_reader: Path, tmp_path: Path):
    network, _, config = load_network(tiny_reader)
    save_network(network, config, tmp_path)
    again, _, same = load_network(tmp_path)
    assert same == config
    first, second = network.trained(config.first_trained_layer), again.trained(config.first_trained_layer)
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert (tmp_path / WEIGHTS).stat().st_size < 25_000_000


@pytest.fixture
def files(tiny_reader: Path, tmp_path: Path) -> Path:
    for name in (CONFIG, WEIGHTS):
        shutil.copy(tiny_reader / name, tmp_path / name)
    return tmp_path


def change_config(folder: Path, **values: object) -> None:
    data = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(data | values))


def drop_a_layer(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors.pop("span.weight")
    save_file(tensors, folder / WEIGHTS)


def widen_a_layer(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file(tensors | {"answers.weight": torch.zeros(2, 384)}, folder / WEIGHTS)


DAMAGE = {
    "no config": lambda folder: (folder / CONFIG).unlink(),
    "no weights": lambda folder: (folder / WEIGHTS).unlink(),
    "empty weights": lambda folder: (folder / WEIGHTS).write_bytes(b""),
    "cut weights": lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100]),
    "config of another kind": lambda folder: (folder / CONFIG).write_text("[1]"),
    "no json": lambda folder: (folder / CONFIG).write_text("{"),
    "another encoder": lambda folder: change_config(folder, base="bert", base_sha256="0" * 64),
    "three weights": lambda folder: change_config(folder, calibration={"weights": [1.0, 2.0, 3.0]}),
    "other layers": lambda folder: change_config(folder, first_trained_layer=3),
    "a layer missing": drop_a_layer,
    "another shape": widen_a_layer,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_or_foreign_files_are_a_sentence_with_a_remedy(files: Path, damage: str):
    DAMAGE[damage](files)
    with pytest.raises(ModelMissing, match=r"train it again with `doyen train DATASET --reader`, or set serving\.reader"):
        load_network(files)


def test_the_reader_that_comes_with_doyen_cannot_be_trained_again_but_installed(files: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("doyen.retrieval.reading.reader_network.GENERAL_READER", files)
    (files / WEIGHTS).unlink()
    with pytest.raises(ModelMissing, match="install Doyen again"):
        load_network(files)


# Ranking and calibration

LOGITS = st.floats(-20, 20)
CURVES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=20).map(lambda points: tuple(sorted(points)))


@given(LOGITS, LOGITS, st.integers(0, 30), st.floats(0.01, 5))
def test_a_ranking_rises_with_scores_and_falls_with_the_place(answers: float, span: float, place: int, more: float):
    ranking = Ranking()
    score = ranking.score(answers, span, place)
    assert ranking.score(answers + more, span, place) > score
    assert ranking.score(answers, span + more, place) > score
    assert ranking.score(answers, span, place + 1) < score


@given(st.tuples(*[st.floats(-1e3, 1e3)] * 5), st.tuples(*[st.floats(-1e3, 1e3)] * 5), st.floats(-1e3, 1e3))
def test_a_probability_is_one_and_rises_with_what_has_weight(weights, values, intercept: float):
    calibration = Calibration(weights, intercept)
    probability = calibration.probability(Observation(*values))
    assert 0 <= probability <= 1
    more = Observation(*(value + (1 if weight > 0 else -1) for value, weight in zip(values, weights, strict=True)))
    assert calibration.probability(more) >= probability


@given(CURVES, st.floats(0, 1), st.floats(0, 1))
def test_more_risk_never_refuses_more(curve, risk: float, other: float):
    calibration = Calibration(curve=curve)
    low, high = sorted((risk, other))
    assert 0 <= calibration.threshold(high) <= calibration.threshold(low) <= 1
    assert calibration.threshold(1.0) == 0.0
    threshold = calibration.threshold(risk)
    if curve and risk < 1 and threshold < 1:
        assert any(probability == threshold and wrong <= risk for probability, wrong in curve)


def test_a_calibration_that_was_never_tested_refuses_nothing():
    assert Calibration().threshold(0.0) == 0.0
    assert Calibration(curve=((0.2, 0.5), (0.9, 0.3))).threshold(0.1) == 1.0


@given(st.integers(0, 10_000), st.integers(30, 260), st.booleans())
@settings(max_examples=6, deadline=None)
def test_a_fitted_calibration_tells_cases_apart_and_keeps_its_curve_short(seed: int, n: int, equal: bool):
    draw = np.random.default_rng(seed)
    answered = (np.arange(n) % 3 > 0).tolist()
    values = [round(float(draw.normal(2.0 * known)), 0 if equal else 9) for known in answered]
    seen = [Observation(value, value / 2, 0.5, 0.1, 1.0) for value in values]
    made = fit_calibration(seen, answered)
    assert made == fit_calibration(seen, answered)
    assert made.probability(Observation(6.0, 3.0, 0.5, 0.1, 1.0)) > made.probability(Observation(-4.0, -2.0, 0.5, 0.1, 1.0))
    assert 1 <= len(made.curve) <= 100
    assert list(made.curve) == sorted(made.curve)
    assert len({probability for probability, _ in made.curve}) == len(made.curve)
    assert all(0 <= wrong <= 1 for _, wrong in made.curve)
    assert Calibration(**json.loads(json.dumps(asdict(made)), object_hook=lambda data: data)).intercept == made.intercept


# Findings


def passage_of(number: int, text: str, start: int = 0) -> Passage:
    signals = {"dense": 0.5, "lexical_share": 0.5}
    return Passage(f"c{number}", f"d{number}", "v", f"{number}.md", start, start + len(text), None, "", 1.0, text, signals)


def test_findings_stand_in_their_sentence_and_the_best_comes_first(reader: Reader):
    others = [passage_of(number, text) for number, (_, text, _) in enumerate(FACTS)]
    wanted = passage_of(9, FACTS[1][1], 700)
    findings = PassageReader(reader).find(FACTS[1][0], [*others[2:], wanted])
    best = findings.spans[0]
    assert (best.text, best.passage) == ("18 Nm", wanted)
    start, end = best.sentence
    assert start <= best.start < best.end <= end
    assert wanted.text[start:end] == "The torque of the cover bolts is 18 Nm on all of these machines."
    assert findings.passages[0] == wanted
    assert sorted(map(id, findings.passages)) == sorted(map(id, [*others[2:], wanted]))
    assert findings.probability > 0.5
    assert [item.score for item in findings.spans] == sorted((item.score for item in findings.spans), reverse=True)


def test_spans_of_a_passage_differ_also_where_a_span_says_nothing_of_its_passage():
    passage = passage_of(1, "Change the filter every 30 days. Tighten the plug to 7 Nm.")
    places = [(passage.text.index(said), passage.text.index(said) + len(said)) for said in ("30 days", "7 Nm")]
    reading = Reading((Span(*places[0], 5.0), Span(*places[1], 2.0)), answers=1.5)
    best, other = find_spans("How tight is the plug?", [passage], [reading], Ranking(0.5, 0.0))
    assert (best.text, other.text) == ("30 days", "7 Nm")
    assert (best.score, other.score) == (1.5, -1.5), (
        "the best has its passage's score, the other as much less as it scores less"
    )


def test_passages_keep_their_order_where_the_reader_does_not_rerank(tiny_reader: Path, files: Path):
    change_config(files, ranking={"place_weight": 0.0, "span_weight": 0.5, "reranks": False})
    passages = [passage_of(number, text) for number, (_, text, _) in enumerate(FACTS)]
    findings = PassageReader(Reader(files, dtype="float32")).find(FACTS[3][0], passages)
    assert findings.passages == passages
    assert findings.spans[0].passage == passages[3]


def test_passages_keep_their_order_where_the_settings_want_no_reranking(reader: Reader):
    passages = [passage_of(number, text) for number, (_, text, _) in enumerate(FACTS)]
    findings = PassageReader(reader, reranks=False).find(FACTS[3][0], passages)
    assert findings.passages == passages
    assert findings.spans[0].passage == passages[3]


def read_as(question: str, text: str, *spans: tuple[str, float]) -> list[str]:
    """Return the spans that are found in a passage where a reader gives these scores, best first."""
    found = tuple(Span(text.index(span), text.index(span) + len(span), score) for span, score in spans)
    reader = SimpleNamespace(config=ReaderConfig(), read=lambda _, texts, **__: [Reading(found, 3.0)] * len(texts))
    return [finding.text for finding in PassageReader(reader).find(question, [passage_of(0, text)]).spans]


ROW = "Part: QX-77-0310 | Name: cell window | Diameter: 38 mm | Price: 436.00 euros | In stock since: 4 May 2020"


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("part no. of one cell window", "QX-77-0310"),
        ("How wide is the cell window?", "38 mm"),
        ("How much does the window cost?", "436.00 euros"),
        ("Since when is the window in stock?", "4 May 2020"),
    ],
)
def test_a_span_of_another_kind_gives_way_to_the_value_of_the_asked_kind_beside_it(question: str, best: str):
    for span in {"38 mm", "QX-77-0310", "436.00 euros", "4 May 2020"} - {best}:
        assert read_as(question, ROW, (span, 4.0)) == [best]


@pytest.mark.parametrize(
    ("question", "text", "span"),
    [
        ("Which window do I take?", ROW, "38 mm"),  # no kind is known
        ("part no. of one cell window", "A window of 38 mm is QX-77-0310 or QX-77-0311.", "38 mm"),  # it cannot be told which
        (
            "part no. of one cell window",
            "The window of the cell has 38 mm. QX-77-0310 is the part number of its spare.",
            "38 mm",
        ),
        ("part no. of one cell window", ROW, "cell window"),
        ("How wide is QX-77-0310?", ROW, "38 mm"),
    ],
)
def test_a_span_stays_where_the_asked_value_cannot_be_told(question: str, text: str, span: str):
    assert read_as(question, text, (span, 4.0)) == [span]


@pytest.mark.parametrize(
    ("question", "share"),
    [
        ("How tight are the bolts?", 1.0),  # no value is asked about
        ("What torque do the bolts of the Arrel 410 get?", 1.0),  # a name of the heading, a number of the file's name
        ("What torque do the bolts of the Arrel 473 get?", 0.5),
        ("What torque do the bolts of the Bontes 473 get?", 0.0),
        ("Is 18 newton metres right for AB-1234?", 1.0),  # however it is written
        ("Is 18 bar right for AB-1234?", 0.5),
        ("Does AB-123 fit?", 0.0),
        ("Which torque does the Arrel’s bolt get?", 1.0),
        ("Do all Arrels get 18 Nm?", 1.0),
        ("What does the Arrel 20 weigh?", 0.5),
    ],
)
def test_the_share_of_a_questions_values_that_a_passage_states(question: str, share: float):
    passage = replace(passage_of(0, "Its bolts AB-1234 get 18 Nm."), heading="Arrel", source="service/arrel-410_bolts.md")
    assert stated_share(question, passage) == share


def evidence_of(question: str, *texts: str, span: str) -> tuple[SpanEvidence, Finding]:
    """Return what speaks for a span of the first passage, beside the same span of the next ones where they hold it."""
    passages = [passage_of(number, text) for number, text in enumerate(texts)]
    found = [
        Finding(passage, start, start + len(span), next(each for each in split_sentences(passage.text) if each[1] > start), 1.0)
        for passage in passages
        if (start := passage.text.find(span)) >= 0
    ]
    return SpanEvidence(question, passages, found), found[0]


BURN_IN = "A new zirconia sensor burns in for 18 hours, in air."


@pytest.mark.parametrize(
    ("question", "texts", "span", "disputed"),
    [
        ("How long does a new zirconia sensor burn in?", [BURN_IN], "18 hours", False),
        # Another sentence says as much of what was asked, and another value of the same kind.
        (
            "How long does a new zirconia sensor burn in?",
            [BURN_IN, "Before, a new zirconia sensor did burn in for 12 hours."],
            "18 hours",
            True,
        ),
        ("How long does a new zirconia sensor burn in?", [BURN_IN, "The pump runs for 12 hours."], "18 hours", False),
        (
            "How long does a new zirconia sensor burn in?",
            [BURN_IN, "Burn in a new zirconia sensor: 0.75 days"],
            "18 hours",
            False,
        ),
        ("How long does a new zirconia sensor burn in?", [BURN_IN, BURN_IN], "18 hours", False),
        # Its passage does not speak of what the question names.
        ("How long does a sensor of the E-42 burn in?", [BURN_IN], "18 hours", True),
        (
            "Where does a new zirconia sensor burn in?",
            [BURN_IN, "A new zirconia sensor must burn in outside."],
            "in air",
            False,
        ),
        # It says nothing that the question does not say.
        ("What does burn in for 18 hours?", [BURN_IN], "18 hours", True),
        ("Does a new zirconia sensor burn in for 18 hours?", [BURN_IN], "18 hours", False),
    ],
)
def test_a_span_is_disputed_by_another_value_and_by_what_the_question_names(question, texts, span, disputed):
    evidence, found = evidence_of(question, *texts, span=span)
    assert evidence.is_disputed(found) == disputed


def test_what_speaks_for_a_span():
    evidence, found = evidence_of("Does a new sensor burn in?", BURN_IN, "Wear gloves.", BURN_IN, span="18 hours")
    assert evidence.observe(found) == SpanObservation(1.0, 1.0, 1.0, 0.0)
    evidence, found = evidence_of("Which part number has the new sensor?", BURN_IN, span="18 hours")
    seen = evidence.observe(found)
    assert (seen.kind, seen.agreement) == (1.0, 1.0)
    assert 0 < seen.share < 1


def test_a_span_has_a_probability_where_the_reader_was_fitted_for_it(reader: Reader, files: Path):
    passages = [passage_of(number, text) for number, (_, text, _) in enumerate(FACTS)]
    assert {span.probability for span in PassageReader(reader).find(FACTS[1][0], passages).spans} == {None}
    change_config(files, span_calibration={"weights": [0.5, 1.0, 1.0, -1.0], "intercept": 0.0, "curve": []})
    fitted = PassageReader(Reader(files, dtype="float32"))
    best = fitted.find(FACTS[1][0], passages).spans[0]
    assert best.text == "18 Nm"
    assert best.probability > 0.7
    assert fitted.find("Which torque do the cover bolts of the Z-88 get?", passages).spans[0].probability == 0.0


def test_without_passages_nothing_is_found(reader: Reader):
    findings = PassageReader(reader).find("Which torque?", [])
    assert (findings.passages, findings.spans, findings.probability) == ([], [], None)
