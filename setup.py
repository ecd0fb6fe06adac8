"""Find the packages: each folder of [tool.setuptools.package-dir] and what lies below it."""

import tomllib
from pathlib import Path

from setuptools import find_packages, setup

folders = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-dir"]
setup(packages=[*folders, *(f"{name}.{package}" for name, folder in folders.items() for package in find_packages(folder))])
