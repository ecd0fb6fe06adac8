"""Fresh drafts for Label Studio: by the assistant where one is loaded and can answer, else by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from doyen.annotation import Draft, Drafter, Excerpt, TaskType, get_task_type
from doyen.annotation.tasks import excerpt_shown
from doyen.annotation.types.descriptions import TypeName
from doyen.annotation.types.typed_labels import prompt_of
from doyen.core.access import OWNER, Access
from doyen.core.errors import DoyenError
from doyen.core.modes import Mode
from doyen.core.store.document_access import any_groups
from doyen.finetune.registry import GENERATOR
from doyen.platform.serving.certainty import certainty

if TYPE_CHECKING:
    from doyen.platform.serving.assistant import Assistant
    from doyen.platform.serving.served_heads import ServedHeads


class AssistantDrafter:
    """Implements ``Drafter`` for prompts and responses: the rules find what to ask, and the assistant answers."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._rules = get_task_type(TypeName.PROMPT_RESPONSE)

    @property
    def version(self) -> str:
        """Name of the model behind the drafts."""
        return f"assistant {self._assistant.model}"

    def draft(self, excerpt: Excerpt) -> Draft | None:
        """Return the rules' question with the assistant's answer; the rules' own answer where the assistant has none."""
        proposed = self._rules.draft(excerpt)
        return proposed and (self.answer(prompt_of(proposed.label), excerpt) or proposed)

    def answer(self, prompt: str, excerpt: Excerpt) -> Draft | None:
        """Answer a given question; None where the assistant cannot, for example because nothing is indexed."""
        access = self._access()
        mode = Mode.HYBRID if access.adapters and self._assistant.registry.list(kind=GENERATOR) else Mode.RAG
        try:
            answer = self._assistant.ask(prompt, mode, record=False, access=access)
        except DoyenError:
            return None
        evidence = tuple(dict.fromkeys(cited.quote for cited in answer.citations if cited.quote in excerpt.text))
        return Draft.of_answer(excerpt.text, prompt, answer.answer, certainty(answer), evidence)

    def _access(self) -> Access:
        """Return what drafts may rest on: open documents alone, once any document has groups.

        Who writes the tasks of a Label Studio server chooses the prompts, and everyone there sees the drafts.
        """
        with self._assistant.store.session() as session:
            return Access(groups=frozenset(), adapters=False) if any_groups(session) else OWNER


def open_drafter(project: str, task_type: TaskType, assistant: Assistant | None, heads: ServedHeads) -> Drafter:
    """Return what drafts labels of a project: the assistant answers questions, a head in production gives classes and entities.

    Without them it is drafted by rule.
    """
    if assistant is not None and task_type.name == TypeName.PROMPT_RESPONSE:
        return AssistantDrafter(assistant)
    return heads.drafter(project, task_type)


def draft_prediction(drafter: Drafter, task_type: TaskType, data: dict[str, Any]) -> dict[str, Any]:
    """Return a prediction for a task's data; one without regions where there is nothing to propose.

    A question that the task asks already is kept, and only answered.
    """
    nothing = {"model_version": drafter.version, "score": 0.0, "result": []}
    if not isinstance(data.get("text"), str) or not isinstance(data.get("uid"), str):
        return nothing
    excerpt = excerpt_shown(data)
    prompt = data.get("prompt")
    given = drafter.answer(prompt, excerpt) if prompt and isinstance(drafter, AssistantDrafter) else None
    draft = given or drafter.draft(excerpt)
    if draft is None or draft.label is None:
        return nothing
    return task_type.prediction(draft.label, draft.score, data, drafter.version)
