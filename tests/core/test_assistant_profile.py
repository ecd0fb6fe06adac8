"""What assistant.toml says is in every prompt, and has a version."""

from __future__ import annotations

import pytest

from doyen.core.assistant_profile import FILE_NAME, AssistantProfile, load_profile
from doyen.core.errors import SettingsError
from doyen.core.prompts import build_messages

PROFILE = """
name = "Quill"
tone = "friendly"
instructions = "Name the manual."

[glossary]
PX-90 = "the pump of the Heron line"
HL = "Heron line"
"""


def test_the_profile_follows_the_fixed_prompt_and_terms_stand_before_the_question(tmp_path):
    (tmp_path / FILE_NAME).write_text(PROFILE)
    profile = load_profile(tmp_path)
    question = "How heavy is the px-90 of hls?"
    made = build_messages(question, instructions=profile.system_text("Answer in French."), glossary=profile.explained(question))
    usual = build_messages(question)
    assert made[0]["content"] == (
        f"{usual[0]['content']}\n\nYour name is Quill.\nTone: friendly.\nName the manual.\nAnswer in French."
    )
    assert made[1]["content"] == f"PX-90: the pump of the Heron line\n{usual[1]['content']}", "HL is no word of the question"


def test_the_version_changes_with_the_words_and_nothing_said_has_none(tmp_path):
    assert load_profile(tmp_path) == AssistantProfile()
    assert (AssistantProfile().version, AssistantProfile().system_text()) == ("", "")
    versions = {AssistantProfile(tone=tone).version for tone in ("friendly", "terse")}
    assert len(versions) == 2
    assert all(len(version) == 12 for version in versions)


@pytest.mark.parametrize(
    ("text", "words"), [("tone = ", "Invalid value"), ('tune = "x"', "tune: Extra inputs"), ("glossary = 3", "glossary: ")]
)
def test_mistakes_are_named(tmp_path, text, words):
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(SettingsError, match=words):
        load_profile(tmp_path)
