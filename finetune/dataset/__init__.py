"""Datasets: labelled pairs, cleaned, split without leaks, written once and named by what they were made from."""

from doyen.finetune.dataset.build import build_dataset, check_dataset, check_leakage
from doyen.finetune.dataset.stored import (
    Dataset,
    dataset_rows,
    excluded_questions,
    find_dataset,
    load_dataset,
)

__all__ = [
    "Dataset",
    "build_dataset",
    "check_dataset",
    "check_leakage",
    "dataset_rows",
    "excluded_questions",
    "find_dataset",
    "load_dataset",
]
