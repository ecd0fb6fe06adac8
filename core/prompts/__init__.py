"""Prompts as training and serving share them: messages, text and tokens come from this one place."""

from doyen.core.prompts.messages import PromptPassage, build_messages, encode_example, encode_prompt

__all__ = ["PromptPassage", "build_messages", "encode_example", "encode_prompt"]
