"""The proof that a dataset leaks nothing, neither between its parts nor from frozen questions: see `check_leaks`."""

from doyen.finetune.leakage.leak_check import LeakReport, check_leaks, find_leaks
from doyen.finetune.leakage.requests import Leak, LeakKind

__all__ = ["Leak", "LeakKind", "LeakReport", "check_leaks", "find_leaks"]
