"""The use cases of datasets: build, look at, check, compare, and exchange with other tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from doyen.core.errors import InputError
from doyen.core.extras import methods_name_extras
from doyen.core.settings import DatasetSettings
from doyen.core.store import Store
from doyen.core.workspace import Workspace

if TYPE_CHECKING:
    from doyen.core.records import Question
    from doyen.finetune.dataset import Dataset
    from doyen.finetune.dataset.difference import Difference
    from doyen.finetune.leakage import LeakReport


@methods_name_extras
class Datasets:
    """The datasets of a workspace."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
        self._workspace, self._store = workspace, store

    def recipe(self, changes: Mapping[str, Any]) -> DatasetSettings:
        """Return the workspace's rules for datasets with some changed.

        Raises:
            InputError: a rule or its value is not known; the message names all.
        """
        given = self._workspace.settings.dataset.model_dump()
        try:
            return DatasetSettings.model_validate({**given, **changes})
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, item['loc']))} = {item['input']!r}: {item['msg']}" for item in error.errors()]
            raise InputError("these rules of a dataset cannot be: " + "; ".join(wrong)) from error

    def get(self, name: str) -> Dataset:
        """Return a dataset by its id, or the newest of a name. Raises NotFoundError."""
        from doyen.finetune.dataset import find_dataset

        return find_dataset(self._workspace, self._store, name)

    def check(self, name: str, questions: Sequence[Question] = ()) -> LeakReport:
        """Check a dataset's files and leaks again, also against questions that were registered since.

        Args:
            name: its id, or a name for its newest version.
            questions: frozen ones beside the registered.

        Raises:
            StateError: a file is not what was built.
        """
        from doyen.finetune.dataset import check_dataset

        return check_dataset(self._workspace, self.get(name), questions)

    def diff(self, first: str, second: str) -> Difference:
        """Return what distinguishes two datasets, each named by its id or a name for its newest version."""
        from doyen.finetune.dataset.difference import compare_datasets

        return compare_datasets(self.get(first), self.get(second))

    def card(self, name: str) -> str:
        """Return the card of a dataset, and what the trainings of this workspace say about its size."""
        from doyen.finetune.dataset.card import card_text
        from doyen.finetune.dataset.learning_curve import workspace_curve
        from doyen.finetune.dataset.stored import CARD

        found = self.get(name)
        path = found.folder / CARD
        text = path.read_text(encoding="utf-8") if path.is_file() else card_text(found.manifest)
        advice = workspace_curve(self._workspace, self._store, found)
        return f"{text}\n" + "\n".join(advice) + "\n"
