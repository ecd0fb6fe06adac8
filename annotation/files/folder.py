"""Annotation without a server: tasks and labels as JSONL files in Label Studio's own task format.

``<annotation folder>/<project>/tasks.jsonl`` holds one task a line. People (or tools) put labelled tasks beside it, into
``labels.jsonl`` or any other ``labels*.jsonl`` / ``labels*.json``: the same lines with ``annotations`` added, which is
what Label Studio's JSON export contains, too. The files show the present state: what is in none of them counts as deleted.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from doyen.annotation.backend import RemoteAnnotation, RemoteProject, RemoteTask
from doyen.annotation.labelstudio.people import people_named, read_annotation, read_people
from doyen.core.errors import RecordError, storage_errors
from doyen.core.files import write_text_atomic

TASKS = "tasks.jsonl"
CONFIG, _MARKER = "labelling-config.xml", "project.txt"


class FilesBackend:
    """Implements ``Backend`` in a folder; a project's id is the name of its folder."""

    location = "files"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def projects(self, title: str, external_id: str | None) -> Iterator[RemoteProject]:
        """Yield the folder's project, where its tasks are there."""
        home = self._folder / title
        if (home / _MARKER).exists() and (home / TASKS).exists():
            config = home / CONFIG
            text = config.read_text(encoding="utf-8") if config.exists() else ""
            yield RemoteProject(title, (home / _MARKER).read_text(encoding="utf-8"), text, private=True)

    def place(self, project_id: str) -> str:
        """Return the path of the tasks file."""
        return str(self._folder / project_id / TASKS)

    def make_project(self, title: str, note: str, config: str) -> str:
        """Make the project's folder with its labelling configuration, which can be pasted into Label Studio."""
        with storage_errors(f"making {self._folder / title}"):
            (self._folder / title).mkdir(parents=True, exist_ok=True)
            (self._folder / title / TASKS).touch()
        self.update_project(title, note=note, config=config)
        return title

    def update_project(self, project_id: str, *, note: str | None = None, config: str | None = None) -> None:
        """Write the files of the note and of the configuration."""
        home = self._folder / project_id
        with storage_errors(f"writing into {home}"):
            if config is not None:
                (home / CONFIG).write_text(config, encoding="utf-8")
            if note is not None:
                (home / _MARKER).write_text(note + "\n", encoding="utf-8")

    def count_tasks(self, project_id: str) -> int:
        """Return how many tasks the files hold."""
        return len(self.known_uids(project_id))

    def set_overlap(self, project_id: str, people: int, tasks: Mapping[str, int]) -> None:
        """Write it into each task that differs."""
        path = self._folder / project_id / TASKS
        there = [task for _, task in _read_tasks(path)]
        changed = [task for task in there if task.get("overlap", 1) != tasks.get(str(task["data"].get("uid")), 1)]
        for task in changed:
            task["overlap"] = tasks.get(str(task["data"].get("uid")), 1)
        if changed:
            with storage_errors(f"writing {path}"):
                write_text_atomic(path, "".join(_line(task) for task in there))

    def people(self) -> dict[int, str]:
        """Return what ``people.json`` says."""
        return read_people(self._folder)

    def known_uids(self, project_id: str) -> dict[str, set[str]]:
        """Return uid → uid of every task in the tasks file or in a labels file."""
        return {uid: {uid} for uid, _, _ in self._lines(project_id) if uid is not None}

    def add_tasks(self, project_id: str, tasks: Sequence[dict[str, Any]]) -> list[str]:
        """Append a batch of tasks; a line that an earlier crash left unfinished is dropped first."""
        path = self._folder / project_id / TASKS
        lines = "".join(map(_line, tasks))
        with storage_errors(f"writing {path}"):
            _drop_torn_line(path)
            with path.open("a", encoding="utf-8", newline="\n") as stream:
                stream.write(lines)
                stream.flush()
                os.fsync(stream.fileno())
        return [str(task["data"]["uid"]) for task in tasks]

    def set_drafts(self, project_id: str, drafts: Mapping[str, list[dict[str, Any]]]) -> None:
        """Replace the drafts of tasks (by uid), and put the file in the order of their scores, the lowest first.

        Tasks that are not named come last, in their order.
        """
        path = self._folder / project_id / TASKS
        there = [task for _, task in _read_tasks(path)]
        for task in there:
            task["predictions"] = drafts.get(str(task["data"].get("uid")), task.get("predictions", []))
        there.sort(key=lambda task: _served(task, drafts))
        with storage_errors(f"writing {path}"):
            write_text_atomic(path, "".join(map(_line, there)))

    def read_changes(self, project_id: str, since: str | None) -> tuple[None, Iterator[RemoteTask]]:
        """Return every task that is in the tasks file or in a labels file: the files are read whole each time."""
        found: dict[str, list[RemoteAnnotation]] = {}
        lines = list(self._lines(project_id))
        people = self.people() | people_named(raw for _, task, where in lines for raw in _raw_annotations(task, where))
        for uid, task, where in lines:
            if uid is None:
                raise RecordError(f"{where}: data.uid is missing: keep the data of the task as it was")
            found.setdefault(uid, []).extend(_annotations(uid, task, where, people))
        return None, (RemoteTask(uid, uid, labels) for uid, labels in found.items())

    def labelled_uids(self, project_id: str) -> set[str]:
        """Return the uids of tasks that have annotations in a file, pulled or not."""
        return {uid for uid, task, _ in self._lines(project_id) if uid is not None and task.get("annotations")}

    def remove_tasks(self, project_id: str, uids: Collection[str]) -> None:
        """Take tasks out of the tasks file and of the labels files."""
        for path in self._files(project_id):
            tasks = [task for _, task in _read_tasks(path, torn_end=path.name == TASKS)]
            kept = [task for task in tasks if task["data"].get("uid") not in uids]
            if len(kept) < len(tasks):
                as_list = path.read_text(encoding="utf-8-sig").lstrip().startswith("[")
                lines = [json.dumps(task, ensure_ascii=False) for task in kept]
                with storage_errors(f"writing {path}"):
                    text = "[" + ",\n".join(lines) + "]" if as_list else "".join(f"{line}\n" for line in lines)
                    write_text_atomic(path, text)

    def _files(self, project_id: str) -> list[Path]:
        """Return the tasks file and all labels files."""
        home = self._folder / project_id
        return [home / TASKS, *sorted([*home.glob("labels*.jsonl"), *home.glob("labels*.json")])]

    def _lines(self, project_id: str) -> Iterator[tuple[str | None, dict[str, Any], str]]:
        """Yield (uid, task, where it stands) of every task in the project's files."""
        for path in self._files(project_id):
            for number, task in _read_tasks(path, torn_end=path.name == TASKS):
                uid = task["data"].get("uid")
                yield (uid if isinstance(uid, str) else None), task, f"{path}, line {number}"


def _raw_annotations(task: dict[str, Any], where: str) -> Iterator[dict[str, Any]]:
    for position, raw in enumerate(task.get("annotations") or []):
        if not isinstance(raw, dict) or not isinstance(raw.get("result", []), list):
            raise RecordError(f"{where}: annotation {position + 1} is not an object with a list 'result'")
        yield raw


def _annotations(uid: str, task: dict[str, Any], where: str, people: Mapping[int, str]) -> Iterator[RemoteAnnotation]:
    for position, raw in enumerate(_raw_annotations(task, where)):
        read = read_annotation(raw, "", people, str(raw.get("updated_at") or raw.get("created_at") or ""))
        identity = raw.get("id", raw.get("unique_id", f"{read.annotator}-{position}"))
        yield replace(read, external_id=f"{uid}:{identity}")


def _served(task: dict[str, Any], drafts: Mapping[str, list[dict[str, Any]]]) -> float:
    """Return by which score a task is served: its own drafts' lowest, or the last of all."""
    scores = [float(draft.get("score") or 0.0) for draft in drafts.get(str(task["data"].get("uid")), ())]
    return min(scores, default=math.inf)


def _line(task: dict[str, Any]) -> str:
    return json.dumps(task, ensure_ascii=False) + "\n"


def _read_tasks(path: Path, *, torn_end: bool = True) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, task) of a JSONL file, or (position, task) of a file that is one JSON list.

    Args:
        torn_end: whether a broken last line is our own unfinished write, and to be passed over.
    """
    if not path.exists():
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecordError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    if text.lstrip().startswith("["):
        yield from enumerate((_checked(task, path, n) for n, task in enumerate(_parse(text, path, 1), 1)), 1)
        return
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (torn_end and number == len(lines)):
            continue
        yield number, _checked(_parse(line, path, number), path, number)


def _parse(text: str, path: Path, number: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise RecordError(f"{path}, line {number}: not valid JSON ({error.msg}); nothing of the file was taken") from error


def _checked(task: Any, path: Path, number: int) -> dict[str, Any]:
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise RecordError(f"{path}, line {number}: expected a task, an object with 'data'; nothing of the file was taken")
    return task


def _drop_torn_line(path: Path) -> None:
    """Cut the file after its last complete line."""
    if not path.exists():
        return
    content = path.read_bytes()
    keep = content.rfind(b"\n") + 1
    if keep < len(content):
        with path.open("r+b") as stream:
            stream.truncate(keep)
