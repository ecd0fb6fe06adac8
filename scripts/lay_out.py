"""Lay the packages out with an ``__init__.py`` in each folder (``SITE/doyen/…``), for tools that know no namespace packages.

Links, not copies, so that messages can be matched to the sources and nothing goes stale.
"""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(site: Path) -> None:
    """Make ``site/doyen`` from ``src/doyen``."""
    shutil.rmtree(site, ignore_errors=True)
    place(ROOT / "src" / "doyen", site / "doyen")


def place(folder: Path, target: Path) -> None:
    """Link a folder's files and lay out the folders below it."""
    target.mkdir(parents=True)
    (target / "__init__.py").touch()
    for child in folder.iterdir():
        if child.is_dir() and child.name != "__pycache__":
            place(child.resolve(), target / child.name)
        elif child.is_file():
            (target / child.name).unlink(missing_ok=True)
            (target / child.name).symlink_to(child.resolve())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
