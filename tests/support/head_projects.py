"""Small annotation projects that heads are trained on."""

from __future__ import annotations

from doyen.annotation import LabelDescription, TaskDescription, create_project, task_texts, text_tasks
from doyen.annotation.exchange.label_import import store_labels
from doyen.annotation.texts import PlainText
from doyen.annotation.types.typed_labels import Classes, Entities, LabelledText, Region


def described(kind, *names, **more):
    return TaskDescription(type=kind, labels=tuple(LabelDescription(name=name) for name in names), **more)


def make_project(space, store, description, labels, name="topics"):
    """A project whose texts have these labels."""
    create_project(space, store, name, description=description)
    text_tasks(store, name, [PlainText(text, str(n), "texts.csv") for n, (text, _) in enumerate(labels)])
    uids = {task.text: task.item_id for task in task_texts(store, name)}
    store_labels(space, store, name, [LabelledText(uids[text], text, label, "ann") for text, label in labels])


PARTS_OF = {"pump": ("plunger", "pressure", "seal"), "line": ("hose", "heated", "probe"), "door": ("screen", "frame", "hinge")}


def topic_labels(n=20):
    return [
        (f"{words[k % 3]} and {words[(k + 1) % 3]} {name} {k}", Classes((name,)))
        for name, words in PARTS_OF.items()
        for k in range(n)
    ]


def region(text, marked, label, n=1):
    start = text.index(marked)
    return Region(str(n), start, start + len(marked), label)


def entity_labels(n=30):
    found = []
    for k in range(n):
        text = f"Nurse {'Ada' if k % 2 else 'Bob'} saw machine M-{k:03d} in room {chr(65 + k % 26)} 👩‍🔬."
        found.append((text, Entities((region(text, f"M-{k:03d}", "CODE"), region(text, text.split()[1], "NAME", 2)))))
    return found
