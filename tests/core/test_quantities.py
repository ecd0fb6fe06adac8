"""Numbers, units, dates and codes in texts, comparable however they are written."""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.core.physical_units import table, units_in
from doyen.core.quantities import Fact, Stated, find_facts, find_names, find_values


def facts(text: str) -> list[tuple[str, str, str]]:
    return [(fact.kind, fact.value, fact.unit) for fact in find_facts(text)]


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("26", "26", ""),
        ("14 %", "14", "%"),
        ("14 per cent", "14", "%"),
        ("$1,200", "1200", "USD"),
        ("1,200 dollars", "1200", "USD"),
        ("€ 45.50", "45.5", "EUR"),
        ("45.50 euros", "45.5", "EUR"),
        ("CHF 1'234.50", "1234.5", "CHF"),
        ("4,000 hours", "4000", "h"),
        ("4000 h", "4000", "h"),
        ("4\u202f000 h", "4000", "h"),
        ("4 000 h", "4000", "h"),
        ("4.000,5 bar", "4000.5", "bar"),
        ("0,5 mm", "0.5", "mm"),
        (".5 mm", "0.5", "mm"),
        ("4.000 mm", "4", "mm"),
        ("-25 °C", "-25", "°C"),
        ("\u221225 °C", "-25", "°C"),
        ("45 degrees Celsius", "45", "°C"),
        ("45°C", "45", "°C"),
        ("420 degrees", "420", "°"),
        ("2.1 Nm", "2.1", "Nm"),
        ("2.1 N·m", "2.1", "Nm"),
        ("10-minute", "10", "min"),
        ("340 litres an hour", "340", "l/h"),
        ("340 l/h", "340", "l/h"),
        ("4.7 mg/m3", "4.7", "mg/m³"),
        ("7,500 operating hours", "7500", "h"),
        ("4 working days", "4", "working day"),
        ("104 dB(A)", "104", "dB(A)"),
        ("120 mmHg", "120", "mmHg"),
        ("120 mm Hg", "120", "mmHg"),
        ("5 mW", "5", "mW"),
        ("5 MW", "5", "MW"),
        ("10⁶", "1000000", ""),
        ("10^6", "1000000", ""),
        ("2.5 × 10^3 Pa", "2500", "Pa"),
        ("1.2 million", "1200000", ""),
        ("2½ h", "2.5", "h"),
        ("½ inch", "0.5", "inch"),
        ("2 1/2 inches", "2.5", "inch"),
        ("seven months", "7", "month"),
        ("twenty-five bar", "25", "bar"),
        ("one hour", "1", "h"),
        ("٣٤ mm", "34", "mm"),
        ("3rd", "3", ""),
    ],
)
def test_one_number_with_its_unit(text: str, value: str, unit: str) -> None:
    assert facts(text) == [("number", value, unit)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6.2 to 7.0 ohms", [("6.2", "Ω"), ("7", "Ω")]),
        ("5–10 mm", [("5", "mm"), ("10", "mm")]),
        ("5-10 mm", [("5", "mm"), ("10", "mm")]),
        ("between 20.71 and 21.19 %", [("20.71", "%"), ("21.19", "%")]),
        ("3 × 5 mm", [("3", "mm"), ("5", "mm")]),
        ("50 ppm and 500 ppb", [("50", "ppm"), ("500", "ppb")]),
        ("230V/50Hz", [("230", "V"), ("50", "Hz")]),
        ("43 of the 48 half-hours", [("43", ""), ("48", "")]),
        ("1. Open the valve\n2. Close it at 5 bar", [("5", "bar")]),
    ],
)
def test_several_numbers(text: str, expected: list[tuple[str, str]]) -> None:
    assert facts(text) == [("number", value, unit) for value, unit in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("最高温度为45℃", [("number", "45", "°C")]),
        ("最高温度为45摄氏度。", [("number", "45", "°C")]),
        ("温度为-25℃以下", [("number", "-25", "°C")]),
        ("保修期为24个月。", [("number", "24", "month")]),
        ("保固期為24個月", [("number", "24", "month")]),
        ("传感器每26周检查一次", [("number", "26", "week")]),
        ("価格は1200円です", [("number", "1200", "JPY")]),
        ("保証は24か月です", [("number", "24", "month")]),
        ("온도는 45도입니다", [("number", "45", "°")]),
        ("보증 기간은 24개월입니다", [("number", "24", "month")]),
        ("전압은 230V입니다", [("number", "230", "V")]),
        ("ประกัน24เดือน", [("number", "24", "month")]),
        ("الوزن45kg", [("number", "45", "kg")]),
        ("重量は2.1kg以下", [("number", "2.1", "kg")]),
        ("售价12万元", [("number", "120000", "CNY")]),
        ("가격은 3만원입니다", [("number", "30000", "KRW")]),
        ("24个月-36个月", [("number", "24", "month"), ("number", "36", "month")]),
        ("共12张", [("number", "12", "")]),
        ("约½小时", [("number", "0.5", "h")]),
        ("24张-36张", [("number", "24", ""), ("number", "36", "")]),
        ("20至30℃", [("number", "20", "°C"), ("number", "30", "°C")]),
        ("型号QC-41-0194的价格", [("code", "QC-41-0194", "")]),
        ("请订购E-41。", [("code", "E-41", "")]),
        ("于2024-05-17前", [("date", "2024-05-17", "")]),
        ("2024年5月17日", [("date", "2024-05-17", "")]),
        ("2024년 5월 17일까지", [("date", "2024-05-17", "")]),
        ("5月17日", [("date", "--05-17", "")]),
        ("2024年", [("number", "2024", "")]),
        ("5年", [("number", "5", "year")]),
        ("下午17:15开始", [("time", "17:15", "")]),
    ],
)
def test_letters_of_scripts_without_blanks_are_no_part_of_a_number_or_code(
    text: str, expected: list[tuple[str, str, str]]
) -> None:
    assert facts(text) == expected


@given(st.sampled_from("为每は온ก비و"), st.from_regex(r"[A-Z]{1,3}-[0-9]{2,4}", fullmatch=True), st.sampled_from("的です도ก"))
def test_a_code_is_the_same_between_letters_of_any_script(before: str, code: str, after: str) -> None:
    assert facts(f"{before}{code}{after}") == facts(code) == [("code", code, "")]


@pytest.mark.parametrize("text", ["5 in the box", "8 bolts", "43 seals", "7 bananas", "12 lanterns"])
def test_an_unknown_word_is_no_unit(text: str) -> None:
    assert [unit for _, _, unit in facts(text)] == [""]


@pytest.mark.parametrize("text", ["", "no one", "The hi-flow valve.", "Torque wrench", "you may march on", "A heron."])
def test_nothing_to_check(text: str) -> None:
    assert facts(text) == []


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2024-05-17", "2024-05-17"),
        ("17 May 2024", "2024-05-17"),
        ("17th of May, 2024", "2024-05-17"),
        ("May 17, 2024", "2024-05-17"),
        ("17.05.2024", "2024-05-17"),
        ("17/05/2024", "2024-05-17"),
        ("05/17/2024", "2024-05-17"),
        ("17. Mai 2024", "2024-05-17"),
        ("May 2024", "2024-05"),
        ("17 May", "--05-17"),
    ],
)
def test_dates(text: str, iso: str) -> None:
    assert facts(text) == [("date", iso, "")]


@pytest.mark.parametrize(("text", "value"), [("17:15", "17:15"), ("5:15 pm", "17:15"), ("5 p.m.", "17:00"), ("00:40", "00:40")])
def test_times(text: str, value: str) -> None:
    assert facts(text) == [("time", value, "")]


@pytest.mark.parametrize(
    "text",
    ["E-41", "QC-41-0194", "LD-VB", "AB-1200/3", "10.77.4.1", "5.0.4", "0336", "41-22-0880", "R12", "3B11", "C301", "FAT32"],
)
def test_codes_are_one_fact(text: str) -> None:
    assert facts(f"Use {text}, then stop.") == [("code", text, "")]


def test_a_code_ends_where_a_file_name_goes_on() -> None:
    assert facts("SP-415-03_heated-cell-window.pdf") == [("code", "SP-415-03", "")]


def test_a_fact_is_stated_by_an_equal_or_more_exact_one() -> None:
    def one(text: str) -> Fact:
        (fact,) = find_facts(text)
        return fact

    assert one("45").stated_by(one("45 °C"))
    assert one("420 degrees").stated_by(one("420 °C"))
    assert one("2024").stated_by(one("17 May 2024"))
    assert one("May 2024").stated_by(one("2024-05-17"))
    assert one("17 May").stated_by(one("2024-05-17"))
    assert not one("45 bar").stated_by(one("45 °C"))
    assert not one("45 °C").stated_by(one("45"))
    assert not one("2024-05-17").stated_by(one("May 2024"))
    assert not one("E-41").stated_by(one("41"))


def test_names_are_capitalised_words_inside_sentences() -> None:
    assert find_names("Ask Alban Treadgold. The form is sent to Oststade by QBus.") == [
        "Ask Alban Treadgold",
        "Oststade",
        "QBus",
    ]


def test_units_are_found_without_a_number() -> None:
    assert units_in("Torque (Nm) | Max. temperature in °C") >= {"Nm", "°C"}
    assert not units_in("Take the lantern") & {"t", "l"}


UNITS = [
    (form, unit) for unit, forms in table()["units"].items() for form in [*forms.get("symbols", []), *forms.get("words", [])]
]


@given(st.text(max_size=200))
def test_any_text_gives_exact_ordered_spans(text: str) -> None:
    found = find_facts(text)
    assert all(text[fact.start : fact.end] == fact.text for fact in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


@given(
    st.lists(
        st.sampled_from(["5", "4,000", "0.5", "-", "–", " ", "°C", "bar", "%", "$", "E-41", "/", ".", "May", "\n", "2024", "½"])
    )
)
def test_texts_of_likely_parts_give_exact_ordered_spans(parts: list[str]) -> None:
    text = "".join(parts)
    found = find_facts(text)
    assert all(text[fact.start : fact.end] == fact.text for fact in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=3), st.sampled_from(UNITS))
def test_a_number_is_the_same_in_every_notation(value: Decimal, form: tuple[str, str]) -> None:
    written, unit = form
    plain = format(value, "f")
    english = format(value, ",.3f")
    german = english.translate(str.maketrans(",.", ".,"))
    expected = None
    for notation in (plain, english, english.replace(",", "\u202f"), german):
        if notation == german and notation.count(".") == 0 and abs(value) < 1000:
            notation = notation.replace(",", ".")  # a lone group of three after a comma reads as English thousands
        found = find_facts(f"about {notation} {written} of it")
        expected = expected or found
        assert found == expected
        assert [(Decimal(fact.value), fact.unit) for fact in found] == [(value, unit)]


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)))
def test_a_date_is_the_same_in_every_notation(day: date) -> None:
    for written in (day.isoformat(), day.strftime("%d %B %Y"), day.strftime("%B %d, %Y"), day.strftime("%d.%m.%Y")):
        assert facts(f"by {written}.") == [("date", day.isoformat(), "")]


@given(st.from_regex(r"[A-Z]{1,3}-[0-9]{1,4}(-[0-9]{2,4})?(/[0-9])?", fullmatch=True))
def test_a_code_is_whole_and_case_does_not_matter(code: str) -> None:
    assert facts(f"see {code} there") == facts(f"see {code.lower()} there") == [("code", code, "")]


def test_time_grows_with_the_length_of_the_text() -> None:
    for text in ("1" * 20_000, "1-" * 10_000, "1,000," * 4_000, "a-1." * 5_000, "5 mm to " * 3_000, "1 000 " * 4_000):
        started = time.monotonic()
        find_facts(text)
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("question", "values"),
    [
        ("Does Arrel fit?", {"Arrel"}),
        ("Which torque has the Corvane 410, 2.1 Nm?", {"Corvane", "410", "2.1 Nm"}),
        ("May I use E-410-07 from 3 May 2024?", {"E-410-07", "3 May 2024"}),
        ("what is it?", set()),
    ],
)
def test_values_of_a_question_are_its_facts_and_names(question: str, values: set[str]) -> None:
    assert {question[start:end] for start, end in find_values(question)} == values


@pytest.mark.parametrize(
    ("value", "text", "stated"),
    [
        ("Corvane", "the corvane is red", True),
        ("Pellam", "the corvane is red", False),
        ("45 °C", "at 45 degrees Celsius", True),
        ("20", "built in 2024", False),
        ("30", "for 300 hours", False),
        ("E-410-07", "code e-410-07", True),
        ("E-410-55", "code E-410-07", False),
    ],
)
def test_a_value_is_stated_where_it_stands_as_a_value(value: str, text: str, stated: bool) -> None:
    assert (value in Stated([text])) == stated
