"""Who may read what: groups of documents, and the groups of a caller.

    document   groups {hr, board}          a document without groups is readable by everyone who may use the workspace
    caller     Access(groups={hr})         readable: the two share a group
    caller     OWNER                       reads everything, and changes it

An `Access` is made once, where a request comes in, and handed down as an argument to everything that reads documents.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Access:
    """What a caller may read and change.

    Attributes:
        name: of the caller's key; empty for the owner. Answers belong to the name that asked for them.
        groups: whose documents are readable, beside those without groups; None reads every document.
        admin: whether documents, their groups and the promoted adapters may be changed.
        adapters: whether models may be asked that were trained on the workspace's labels. They can repeat what they
            learned, whatever groups the documents have that it came from.
        labels: whether texts may be labelled in projects. Tasks show texts of documents, whatever groups these have or had.
    """

    name: str = ""
    groups: frozenset[str] | None = None
    admin: bool = False
    adapters: bool = True
    labels: bool = False

    @property
    def unrestricted(self) -> bool:
        """Whether every document is readable."""
        return self.groups is None

    def reads(self, groups: Collection[str]) -> bool:
        """Whether a document of these groups is readable."""
        return self.groups is None or not groups or not self.groups.isdisjoint(groups)


OWNER = Access(admin=True, labels=True)
"""The command line, Python, `serving.api_key`, and a gateway without keys on loopback: reads and changes everything."""
