"""The use cases of datasets: build, look at, check, compare, and exchange with other tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from doyen.core.errors import InputError
from doyen.core.extras import methods_name_extras
from doyen.core.settings import DatasetSettings
from doyen.core.store import Store
from doyen.core.store.schema import DatasetRow
from doyen.core.workspace import Workspace

if TYPE_CHECKING:
    from doyen.core.records import Question
    from doyen.finetune.dataset import Dataset
    from doyen.finetune.dataset.difference import Difference
    from doyen.finetune.dataset.exchange import Imported
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

    def read(self, path: Path | str, recipe: DatasetSettings) -> Imported:
        """Read a pairs.jsonl; where the recipe says what becomes of rows without a response, these break nothing.

        Raises:
            InputError, RecordError: as `import_rows`.
        """
        from doyen.core.records import Pair, read_records
        from doyen.finetune.dataset.exchange import Imported, import_rows

        if recipe.missing_response == "fail":
            return Imported(read_records(Path(path), Pair), {})
        return import_rows(Path(path), "jsonl", missing_response=recipe.missing_response)

    def list(self) -> Sequence[DatasetRow]:
        """Return all versions of all datasets, newest first."""
        from doyen.finetune.dataset import dataset_rows

        return dataset_rows(self._store)

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

    def export(self, name: str, folder: Path | str, format_name: str = "jsonl") -> dict[str, int]:
        """Write a dataset and its card for other tools; see `export_dataset`.

        Args:
            format_name: jsonl, messages, sharegpt, alpaca, parquet or huggingface.
        """
        from doyen.finetune.dataset.exchange import export_dataset

        return export_dataset(self.get(name), Path(folder), format_name)

    def import_(
        self,
        path: Path | str,
        name: str,
        *,
        format_name: str = "",
        frozen: Sequence[Question] = (),
        recipe: DatasetSettings | None = None,
    ) -> Dataset:
        """Make a dataset of a file or a folder in one of the formats that `export` writes, or as other tools write them.

        Parts that the files name are kept, and checked for leaks as others are.

        Args:
            format_name: empty tells it from the rows.
            frozen: evaluation questions that it must not hold, beside the registered.
            recipe: filters and rules; None takes those of the settings.

        Raises:
            InputError: nothing can be read, or rows of two parts leak.
            RecordError: broken rows, all named.
        """
        from doyen.finetune.dataset import build_dataset
        from doyen.finetune.dataset.exchange import import_rows

        rules = recipe or self._workspace.settings.dataset
        found = import_rows(Path(path), format_name, missing_response=rules.missing_response)
        return build_dataset(
            self._workspace,
            self._store,
            found.pairs,
            name=name,
            frozen=frozen,
            recipe=rules,
            given=found.parts,
            origin={"imported from": Path(path).name, **({"columns left out": found.dropped} if found.dropped else {})},
            missing=found.missing,
        )

    def card(self, name: str) -> str:
        """Return the card of a dataset, and what the trainings of this workspace say about its size."""
        from doyen.finetune.dataset.card import card_text
        from doyen.finetune.dataset.size_curve import workspace_curve
        from doyen.finetune.dataset.stored import CARD

        found = self.get(name)
        path = found.folder / CARD
        text = path.read_text(encoding="utf-8") if path.is_file() else card_text(found.manifest)
        advice = workspace_curve(self._workspace, self._store, found)
        return f"{text}\n" + "\n".join(advice) + "\n"
