"""The report's page as a PDF, printed by Chromium: the same page, so that there is nothing to keep in step."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from doyen.core.errors import MissingPart, NotFoundError, NotInTime, ServiceError
from doyen.eval.report import PAGE

PDF = "report.pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LIMIT_S = 180
"""A report of some hundred questions takes seconds; a browser that hangs is ended."""


def print_report(folder: Path) -> Path:
    """Write report.pdf beside a report's page, in one step, and return it.

    Raises:
        NotFoundError: the folder has no report.html.
        MissingPart: no Chromium or Chrome is installed.
        ServiceError: the browser failed, or took too long (NotInTime).
    """
    if not (folder / PAGE).is_file():
        raise NotFoundError(f"{folder} holds no {PAGE}: name the folder of `doyen eval run --out`")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise MissingPart(
            f"a PDF is printed by Chromium, which is not installed: install it, or open {PAGE} and print it there"
        )
    with TemporaryDirectory(dir=folder, prefix=".pdf-") as work:
        printed = Path(work) / PDF
        _run(
            [
                browser,
                "--headless",
                "--disable-gpu",
                "--disable-extensions",
                "--no-first-run",
                "--no-pdf-header-footer",
                f"--user-data-dir={work}/profile",
                f"--print-to-pdf={printed}",
                # Chromium starts as root only without its sandbox; the page runs no script and loads nothing (its CSP).
                *(["--no-sandbox"] if os.geteuid() == 0 else []),
                (folder / PAGE).resolve().as_uri(),
            ],
            printed,
        )
        return printed.replace(folder / PDF)


def _run(command: list[str], printed: Path) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise NotInTime(f"{command[0]} did not print the report within {LIMIT_S} s: open {PAGE} and print it there") from error
    if done.returncode or not printed.is_file():
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise ServiceError(f"{command[0]} could not print the report ({said}): open {PAGE} and print it there")
