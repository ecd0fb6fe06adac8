"""Lay the packages out as a wheel does (``SITE/doyen/…``), for tools that do not follow an editable install.

Links, not copies, so that messages can be matched to the sources and nothing goes stale.
"""

import shutil
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(site: Path) -> None:
    """Make ``site/doyen`` from the folders of [tool.setuptools.package-dir]."""
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-dir"]
    shutil.rmtree(site, ignore_errors=True)
    package = site / "doyen"
    make_package(package)
    for name, folder in folders.items():
        place(ROOT / folder, package / name.removeprefix("doyen."))


def place(folder: Path, target: Path) -> None:
    """Link a package; one without ``__init__.py`` (platform) becomes a folder with one, whose children are linked."""
    if (folder / "__init__.py").exists():
        target.symlink_to(folder, target_is_directory=True)
        return
    make_package(target)
    for child in folder.iterdir():
        if child.is_dir() and child.name != "__pycache__":
            place(child, target / child.name)


def make_package(folder: Path) -> None:
    """Make a folder with an empty ``__init__.py``."""
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
