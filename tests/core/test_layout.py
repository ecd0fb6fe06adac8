"""The layout that everything rests on."""

import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("core", "ingestion", "annotation", "retrieval", "finetune", "eval", "platform", "ui")


def test_platform_does_not_shadow_the_standard_library():
    assert not (ROOT / "platform" / "__init__.py").exists()
    code = "import platform; print(platform.python_version())"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == ".".join(map(str, sys.version_info[:3]))


def test_the_package_links_to_every_room():
    links = {path.name: path.resolve() for path in (ROOT / "src" / "doyen").iterdir() if path.is_symlink()}
    assert links == {room: ROOT / room for room in ROOMS}


def test_a_wheel_of_what_the_image_copies_holds_every_file(tmp_path):
    tracked = subprocess.run(["git", "ls-files", *ROOMS, "src"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    copied = [line.split()[1:-1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")]
    build = tmp_path / "build"
    build.mkdir()
    subprocess.run(["cp", "-a", *(name for names in copied for name in names), build], cwd=ROOT, check=True)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, build]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name.removeprefix("doyen/") for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in tracked.splitlines() if name.split("/")[0] in ROOMS} <= held


def test_a_module_name_has_one_meaning():
    names = [path.stem for room in ROOMS for path in (ROOT / room).rglob("*.py") if not path.stem.startswith("_")]
    assert [name for name, count in Counter(names).items() if count > 1] == []


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


def test_the_image_has_the_program_that_recognises_text() -> None:
    for name in ("Dockerfile", "scripts/install_system_packages.sh"):
        assert "tesseract-ocr" in (ROOT / name).read_text(encoding="utf-8"), name
