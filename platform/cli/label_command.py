"""``doyen label …``: fewer labels and better ones; each command stands in a file of its own."""

from __future__ import annotations

import typer

from doyen.platform.cli.label_errors import errors
from doyen.platform.cli.label_head import head
from doyen.platform.cli.label_llm import llm
from doyen.platform.cli.label_next import next_
from doyen.platform.cli.label_weak import weak

app = typer.Typer(help="Labels: which texts to label next, labels made by rules or models, wrong labels.", no_args_is_help=True)


@app.callback()
def _group() -> None: ...


app.command("next")(next_)
app.command()(errors)
app.command()(weak)
app.command()(llm)
app.command()(head)
