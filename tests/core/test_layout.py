"""The layout that everything rests on."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_platform_does_not_shadow_the_standard_library():
    assert not (ROOT / "platform" / "__init__.py").exists()
    code = "import platform; print(platform.python_version())"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == ".".join(map(str, sys.version_info[:3]))


def test_the_package_links_to_every_room():
    links = {path.name: path.resolve() for path in (ROOT / "src" / "doyen").iterdir() if path.is_symlink()}
    rooms = ("core", "ingestion", "annotation", "retrieval", "finetune", "eval", "platform", "ui")
    assert links == {room: ROOT / room for room in rooms}


def test_rooms_at_the_root_exist():
    for room in ("core", "annotation", "platform", "ingestion", "finetune", "retrieval", "eval", "ui", "tests"):
        assert (ROOT / room).is_dir()
    for file in ("pyproject.toml", "docker-compose.yml", "constraints.txt", "Makefile", "README.md", "CHANGELOG.md"):
        assert (ROOT / file).is_file()


def test_help_is_quick_because_heavy_libraries_load_late():
    code = (
        "import sys; import doyen.platform.cli.main; "
        "heavy = {'torch', 'transformers', 'chromadb', 'gradio', 'ragas', 'llama_index', 'sklearn', 'label_studio_sdk'}; "
        "heavy &= set(sys.modules); "
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
