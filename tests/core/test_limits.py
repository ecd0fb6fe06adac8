"""A limit is the same wherever it is asked for."""

import pytest

from doyen.core.errors import InputError
from doyen.core.modes import MAX_PASSAGES
from doyen.platform.app import Doyen
from tests.support.command_line import run_doyen


@pytest.mark.parametrize("k", [0, -1, MAX_PASSAGES + 1])
def test_a_number_of_passages_out_of_range_is_refused_everywhere(workspace, k):
    with Doyen(workspace.root) as doyen:
        for ask in (lambda: doyen.search("valve", k), lambda: doyen.as_retriever(k)):
            with pytest.raises(InputError, match=f"from 1 to {MAX_PASSAGES}"):
                ask()
    assert run_doyen("search", "valve", "--k", k, "--workspace", workspace.root).code == 2
