"""Without its extras Doyen ingests and searches, and each command that needs an extra names it."""

import json
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

BLOCK = """
import sys
from importlib.machinery import PathFinder
absent, find = set(sys.argv.pop(1).split(",")), PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.split(".")[0] in absent else find(name, *rest)
"""
RUN = f"{BLOCK}from doyen.platform.cli.main import main; main()"
CALL = f"""{BLOCK}
from doyen import Doyen
from doyen.core.errors import MissingPart
from doyen.core.records import Pair
pairs = [Pair(id=str(n), prompt=f"What opens at {{n}} bar?", response="the valve", source="valve.md") for n in range(20)]
with Doyen(sys.argv[1]) as doyen:
    try:
        eval(sys.argv[2])
    except MissingPart as error:
        print(error)
"""
EXTRAS = ("serve", "train", "eval", "annotate", "mcp")


def brought(package, extras=()):
    """The packages that an installation of a package brings, itself included."""
    found, waiting = set(), [(package, frozenset(extras))]
    while waiting:
        name, chosen = waiting.pop()
        if (name, chosen) in found:
            continue
        found.add((name, chosen))
        with suppress(PackageNotFoundError):
            for requirement in map(Requirement, requires(name) or []):
                environments = [{"extra": extra} for extra in chosen or [""]]
                if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
                    waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in found}


def absent_without_extras():
    """The modules that `pip install doyen` does not bring and `pip install 'doyen[all]'` does."""
    optional = brought("doyen", EXTRAS) - brought("doyen")
    return {name for name, found in packages_distributions().items() if optional.issuperset(map(canonicalize_name, found))}


def without_extras(code, *arguments):
    command = [sys.executable, "-c", code, ",".join(sorted(absent_without_extras())), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def run(*arguments, space):
    return without_extras(RUN, *arguments, "-w", space)


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare")
    (folder / "documents").mkdir()
    (folder / "documents" / "valve.md").write_text("# Valve\n\nThe relief valve opens at 6 bar.\n")
    (folder / "space").mkdir()
    (folder / "space" / "doyen.toml").write_text(
        'name = "bare"\n[annotation]\nlabel_studio_url = "http://127.0.0.1:9"\nlabel_studio_api_key = "k"\n'
    )
    ingested = run("ingest", folder / "documents", space=folder / "space")
    assert ingested.returncode == 0, ingested.stderr
    return folder / "space"


@pytest.mark.model
def test_documents_are_found_without_any_extra(space):
    found = run("search", "relief valve", "--json", space=space)
    assert found.returncode == 0, found.stderr
    assert "6 bar" in json.loads(found.stdout)["passages"][0]["text"]


@pytest.mark.model
@pytest.mark.parametrize(
    ("extra", "command"),
    [
        ("serve", ["ask", "At which pressure?", "--mode", "rag"]),
        ("serve", ["serve", "--port", "0"]),
        ("mcp", ["mcp"]),
        ("annotate", ["annotate", "create", "--project", "qa"]),
    ],
)
def test_what_needs_an_extra_names_it(space, extra, command):
    done = run(*command, space=space)
    assert done.returncode == 1
    assert f"pip install 'doyen[{extra}]'" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("extra", "call"),
    [
        ("serve", "doyen.ask('At which pressure?', 'rag')"),
        ("serve", "doyen.as_query_engine().query('At which pressure?')"),
        ("train", "doyen.build_dataset('pairs', pairs=pairs), doyen.train('pairs')"),
        ("annotate", "doyen.annotate.create('qa')"),
        ("annotate", "doyen.annotate.agreement('qa')"),
    ],
)
def test_the_python_api_names_the_extra_that_a_call_needs(space, extra, call):
    done = without_extras(CALL, space, call)
    assert f"pip install 'doyen[{extra}]'" in done.stdout, done.stderr


def test_every_module_of_an_extra_leads_to_it():
    from doyen.core.extras import missing_part

    for module in (
        "gradio",
        "xllamacpp",
        "fastapi_offline",
        "multipart",
        "peft",
        "ragas",
        "rouge_score",
        "crowdkit",
        "psycopg",
    ):
        assert "pip install 'doyen[" in str(missing_part(ModuleNotFoundError(name=f"{module}.part")))
    with pytest.raises(ModuleNotFoundError):
        missing_part(ModuleNotFoundError(name="no_such_module"))
