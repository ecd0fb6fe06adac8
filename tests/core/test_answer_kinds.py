"""Which kind of value a question asks for, and whether a text can be an answer of that kind."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doyen.core.answer_kinds import asked_kinds, asked_value, contradicts, repeats
from doyen.core.physical_units import table


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        # Machines
        ("part no. of one spare window", "QX-77-0310", "38 mm"),
        ("What is the order number of the inlet filter?", "AB-1234", "within 14 days"),
        ("At what temperature does the thermostat open?", "185 °C", "4.4 Nm"),
        ("Which temperature triggers the alarm?", "above 60 degrees", "QX-77-0310"),
        ("Torque for the cover bolts", "18 Nm", "90 °C"),
        ("25 or 30: what torque do the wheel nuts get?", "80 lb ft", "3 bar"),
        ("lowest pressure allowed at the sensor", "780 mbar", "4 May 2020"),
        ("up to how many bar may the dock be loaded", "18 bar", "75 %"),
        ("How often is the diaphragm replaced?", "every 7,500 operating hours", "between 5 and 33 °C"),
        ("How many hours does the burn-in take?", "18 hours", "95 %"),
        ("How heavy is the cell block?", "14.5 kg", "230 V"),
        ("What does the battery weigh?", "88 g", "3.7 V"),
        ("What is the maximum number of stations?", "five stations", "12 mm"),
        ("what is the nominal flow of the pump?", "180 l/h", "24 V"),
        ("Which revision of the manual applies to the H7?", "the one of 4 May 2020", "12 bar"),
        ("When was the valve recalled?", "on 3 March 2023", "at 30 bar"),
        ("how deep is the groove and how wide?", "4 mm", "4 Nm"),
        # Medicine
        ("What is the recommended dose for adults?", "500 mg", "38.5 °C"),
        ("what is the target systolic pressure?", "below 130 mm Hg", "5 mg"),
        ("How long should treatment be continued?", "for 10 days", "500 mg"),
        ("How many patients had a fever?", "43 (29 %)", "14 days"),
        ("What is the incubation period?", "2 to 14 days", "37.5 °C"),
        ("How warm may the vaccine be stored?", "8 °C", "6 months"),
        ("what is the body weight of the patient", "71 kg", "120 mmHg"),
        # Finance
        ("What was the price of the notes?", "99.2 %", "15 May 2030"),
        ("How much does the account cost?", "$12 a month", "30 days"),
        ("What is the yearly fee and the deductible?", "950 euros", "3 weeks"),
        ("What was the revenue of the segment?", "$5.2 m", "31 December 2023"),
        ("By when must the loan be repaid?", "by 1 July 2031", "4.5 %"),
        ("Who signed the annual report?", "Ada Lindqvist", "4.5 %"),
        # Law
        ("Until when may the buyer withdraw?", "14 days after delivery", "40 euros"),
        ("What is the docket number of the appeal?", "C-311/18", "30 days"),
        ("On which date does the lease end?", "30 June 2027", "1,250 euros"),
        ("How many days of notice does a tenant give?", "30 days", "50 %"),
        # German
        ("Wie hoch ist der zulässige Betriebsdruck?", "10 bar", "40 °C"),
        ("Welche Temperatur braucht der Ofen?", "420 Grad Celsius", "3 bar"),
        ("Welche Bestellnummer hat der Filter?", "AB-1234", "14 mm"),
        ("Was kostet die Wartung?", "275 Euro", "4 Stunden"),
        ("Wie viele Stunden dauert der Test?", "5 Stunden", "12 %"),
        ("Wie lange gilt die Garantie?", "20 Monate", "85 °C"),
        ("Bis wann muss der Antrag gestellt werden?", "31.05.2027", "40 Euro"),
    ],
)
def test_an_answer_of_another_kind_than_was_asked_for_contradicts(question: str, answer: str, other: str) -> None:
    assert not contradicts(question, answer)
    assert contradicts(question, other)


@pytest.mark.parametrize(
    "question",
    [
        "Is the limit of the valve 30 bar?",
        "May the pressure rise above 5 bar?",
        "When does the thermal cutout trip?",
        "Which browser doesn't print the labels?",
        "Which temperature sensor fits the oven?",
        "What happens when the pressure drops?",
        "What is the torque wrench called?",
        "How do I set the price of a contract?",
        "How far below the set point may a spot be?",
        "What do I write on the order so that we do not pay for it?",
        "What is the pressure, and where is it measured?",
        "What is the price and delivery?",
        "My regulator is black. Am I concerned? What is the part number?",
        "and for the 415?",
        "The pressure is too high",
        "Was the pressure above 5 bar?",
        "",
    ],
)
@pytest.mark.parametrize("answer", ["38 mm", "212 °C", "QX-77-0310", "4 May 2020", "$12", "12 %"])
def test_a_question_of_an_unknown_kind_is_contradicted_by_nothing(question: str, answer: str) -> None:
    assert asked_kinds(question) == frozenset()
    assert not contradicts(question, answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("part no. of one spare window", "4711"),  # codes can be digits
        ("At what temperature does the thermostat open?", "185"),  # the unit stands in a table's heading
        ("At what temperature does the thermostat open?", "when it is too hot"),
        ("How many linnets can be chained?", "none"),
        ("How many cores does the LG-2 have?", "The LG-2 has none."),  # what the question says is no value
        ("What power does the drive take?", "150kVA"),  # a unit that nobody has listed
        ("What does it cost?", "$50K"),
        ("When did the movement begin?", "in the mid-18th century"),
        ("Who looks after the United Kingdom?", "Alban Treadgold, within 2 days"),
        ("Which revision is current?", "revision C"),
        ("How many second visits came from a missing gasket?", "41 %"),
        ("How many kg bags are on a pallet?", "12 %"),
        ("How many square metres has the hall?", "340 m²"),
        ("What torque do the screws get?", "4.4 Nm, after one hour at 120 °C"),
        ("price of a carton", "Carton PK-5, for 38 euros"),
    ],
)
def test_what_may_be_of_the_asked_kind_does_not_contradict(question: str, answer: str) -> None:
    assert not contradicts(question, answer)


@pytest.mark.parametrize(
    ("question", "text", "repeated"),
    [
        ("Which pump weighs 21 kg?", "21 kg", True),
        ("Which pump weighs 21 kg?", "the 21 kg", True),
        ("What is replaced after 900 hours?", "after 900 h", False),  # written otherwise: its words tell nothing
        ("What is replaced after 900 hours?", "900 hours", True),
        ("What happens at alarm E-17?", "E-17", True),
        ("What happens at alarm E-17?", "E-17: the pump stops", False),
        ("Which pump weighs 21 kg?", "P-200", False),
        ("Which pump weighs 21 kg?", "the pump", False),
        ("Which pump weighs 21 kg?", "38 kg", False),
        ("Does the pump weigh 21 kg?", "21 kg", False),
        ("What does the pump weigh, 21 kg or 38 kg?", "21 kg", False),
        ("Welche Pumpe wiegt 21 kg?", "21 kg", True),
    ],
)
def test_a_value_of_the_question_itself_is_no_answer(question: str, text: str, repeated: bool) -> None:
    assert repeats(question, text) == repeated


def test_a_question_in_parts_is_answered_by_any_of_their_kinds() -> None:
    question = "What is the torque of the bolts? And by when are they to be tightened?"
    assert not contradicts(question, "18 Nm")
    assert not contradicts(question, "by 4 May 2020")
    assert contradicts(question, "5 %")


@pytest.mark.parametrize("forms", table()["units"].values())
def test_every_unit_has_a_kind(forms: dict[str, list[str]]) -> None:
    for form in [*forms.get("symbols", []), *forms.get("words", [])]:
        assert contradicts("What is the part number?", f"5 {form}"), form


@pytest.mark.parametrize(
    ("question", "sentence", "value"),
    [
        ("part no. of one spare window", "Part: QX-77-0310 | Name: cell window | Diameter: 38 mm", "QX-77-0310"),
        ("What pressure is the regulator set to?", "Tighten it to 22 Nm, then set it to 1.7 bar.", "1.7 bar"),
        ("part no. of one spare window", "A window of 38 mm is QX-77-0310 or QX-77-0311.", None),  # it cannot be told which
        ("part no. of one spare window", "A window has 38 mm.", None),
        ("Which window is it?", "A window of 38 mm is QX-77-0310.", None),
        ("How long does the 8 h test of the QX-77 take?", "The 8 h test of the QX-77 takes 9 hours.", "9 hours"),
    ],
)
def test_the_only_value_of_the_asked_kind_in_a_sentence(question: str, sentence: str, value: str | None) -> None:
    found = asked_value(question, sentence)
    assert (found.text if found else None) == value


@pytest.mark.parametrize(
    "part",
    ["what ", "price, ", "number of ", "how many hours ", "who? ", "a", "1", "druck", "which part no. ", "ſ\u212a cost "],
)
def test_long_questions_take_no_time(part: str) -> None:
    question = (part * 2000)[:8000]
    started = time.process_time()
    asked_kinds(question)
    assert time.process_time() - started < 2


@given(
    st.lists(st.sampled_from(["what", "How", "the", "price", "Druck", "no.", "?", "and", ",", "İ", "ſ", "5 bar", "is", "A-1"]))
)
def test_any_words_are_a_question_and_a_text(words: list[str]) -> None:
    text = " ".join(words)
    assert isinstance(contradicts(text, text), bool)
    assert not contradicts(text, text), "what the question states is no value"
