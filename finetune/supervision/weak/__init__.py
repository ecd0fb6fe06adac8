"""Weak and distant supervision: labels from many rules that may err, weighed by how far they agree."""

from doyen.finetune.supervision.weak.functions import LabellingFunction, TextItem, labelling_function, span_function

__all__ = ["LabellingFunction", "TextItem", "labelling_function", "span_function"]
