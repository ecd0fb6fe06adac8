"""Ollama's Modelfile for a GGUF model that answers as it was trained to."""

from __future__ import annotations

from typing import Any

from doyen.core.prompts import build_messages

CHATML_TEMPLATE = """{{ range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""


def modelfile_text(file: str, tokenizer: Any) -> str:
    """Return the Modelfile for a GGUF file beside it.

    The template is written out for models that speak ChatML; for others Ollama reads the one in the file.
    """
    lines = [f"FROM ./{file}"]
    if speaks_chatml(tokenizer):
        lines += [f'TEMPLATE """{CHATML_TEMPLATE}"""', 'PARAMETER stop "<|im_end|>"']
    system = build_messages("")[0]["content"]
    return "\n".join([*lines, f'SYSTEM """{system}"""', "PARAMETER temperature 0", "PARAMETER num_ctx 4096"]) + "\n"


def speaks_chatml(tokenizer: Any) -> bool:
    """Whether a model's chat template is ChatML."""
    turns = [("system", "a"), ("user", "b"), ("assistant", "c"), ("user", "d")]
    messages = [{"role": role, "content": text} for role, text in turns]
    expected = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns) + "<|im_start|>assistant\n"
    return bool(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == expected)
