"""Entry point of ``doyen``: gathers the subcommands and turns errors into sentences and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

# Nothing phones home: set before any library is imported, and left alone where the user decided otherwise.
for _name, _value in {
    "ANONYMIZED_TELEMETRY": "False",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAGAS_DO_NOT_TRACK": "true",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "passive",
}.items():
    os.environ.setdefault(_name, _value)

from doyen.core.errors import DoyenError, UsageError
from doyen.core.extras import naming_extras
from doyen.core.redaction import printable, redact
from doyen.platform.cli import (
    adapters_command,
    annotate_command,
    dataset_command,
    eval_command,
    jobs_command,
    keys_command,
    label_command,
)
from doyen.platform.cli.ask_command import ask
from doyen.platform.cli.backup_command import backup, restore, verify
from doyen.platform.cli.demo_command import demo
from doyen.platform.cli.doctor_command import doctor
from doyen.platform.cli.heads_command import classify, extract
from doyen.platform.cli.ingest_command import ingest
from doyen.platform.cli.init_command import init
from doyen.platform.cli.mcp_command import mcp
from doyen.platform.cli.remove_command import remove
from doyen.platform.cli.search_command import search
from doyen.platform.cli.serve_command import serve, ui
from doyen.platform.cli.trace_command import trace
from doyen.platform.cli.train_command import train

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="doyen",
    help="Domain assistants from documents and labels: retrieval, fine-tuned adapters, and proof of which serves best.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _command in (init, ingest, remove, search, ask, train, classify, extract, trace, serve, ui, mcp, demo, doctor):
    app.command()(_command)
for _command in (backup, restore, verify):
    app.command()(_command)
app.add_typer(annotate_command.app, name="annotate")
app.add_typer(label_command.app, name="label")
app.add_typer(dataset_command.app, name="dataset")
app.add_typer(adapters_command.app, name="adapters")
app.add_typer(eval_command.app, name="eval")
app.add_typer(keys_command.app, name="keys")
app.add_typer(jobs_command.app, name="jobs")


def _show_version(asked: bool) -> None:
    if asked:
        print(f"doyen {version('doyen')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


def main() -> NoReturn:
    """Run the command line and exit with 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    try:
        with naming_extras():
            app(standalone_mode=True)
    except SystemExit as ended:
        if ended.code != INTERRUPTED:  # as Typer ends a command that was interrupted
            raise
        _stop("stopped; what was finished is kept, run the same command again to go on", INTERRUPTED)
    except UsageError as error:
        _stop(str(error), WRONG_USE, error)
    except DoyenError as error:
        _stop(str(error), FAILED, error)
    except BrokenPipeError:
        # The reader of our output went away (`doyen … | head`): there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    sys.exit(DONE)


def _stop(message: str, code: int, error: BaseException | None = None) -> NoReturn:
    if error is not None and "--debug" in sys.argv:
        print(printable(redact("".join(traceback.format_exception(error)))), file=sys.stderr)
    print(f"doyen: {printable(message)}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
