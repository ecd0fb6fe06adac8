# ruff: noqa: E402 - the server that the tests run is found beside them
"""Take the pictures of docs/walkthrough-annotation.md: a real Label Studio server, two annotators, a dispute, a decision.

Usage: python scripts/annotation_screenshots.py [--out docs/screenshots]
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import httpx
from PIL import Image
from playwright.sync_api import sync_playwright
from support.label_studio import PASSWORD, LabelStudioServer, running_server

from doyen.annotation import create_project, draft_tasks, get_project, pull, push, read_description
from doyen.annotation.quality.review import find_disputes, review_name, send_to_review
from doyen.annotation.store import task_type_of
from doyen.annotation.types.typed_labels import Classes
from doyen.core.store import Store, open_store
from doyen.core.workspace import Workspace, create_workspace
from doyen.ingestion.ingest import ingest

PROJECT = "notices"
DESCRIPTION = ROOT / "examples" / "annotation" / "notices.toml"
DOCUMENTS = ROOT / "examples" / "quillane" / "documents" / "service"
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
COLOURS = 96
"""Of a picture: enough for a screen of text, and a third of the size."""


def main() -> None:
    """Start the server, play the walk-through, and take a picture at each station."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    out: Path = parser.parse_args().out
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is not installed: run scripts/install_system_packages.sh")
    out.mkdir(parents=True, exist_ok=True)
    with running_server() as server, tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        workspace = make_workspace(Path(folder), server)
        store = open_store(workspace)
        prepare(workspace, store)
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        page = sign_in(browser, server, "ada@example.com")
        show_project(page, server, store, PROJECT)
        save(page, out / "annotation-tasks.png")
        label_next(page, server, store, PROJECT)
        save(page, out / "annotation-labelling.png")
        disagree(server, store)
        pull(workspace, store, PROJECT)
        send_to_review(workspace, store, PROJECT, find_disputes(store, PROJECT), expert="expert@example.com")
        expert = sign_in(browser, server, "expert@example.com")
        label_next(expert, server, store, review_name(PROJECT))
        expert.set_viewport_size({"width": 1280, "height": 1000})
        expert.fill("textarea[name=reason]", "130 °C is a value to check, and the guideline puts that first.")
        expert.get_by_text("What is this paragraph for?").scroll_into_view_if_needed()
        expert.mouse.move(400, 400)
        expert.mouse.wheel(0, -5_000)
        save(expert, out / "annotation-review.png")
        submit(expert)
        if pull(workspace, store, review_name(PROJECT)).decisions != 1:
            raise SystemExit("the expert's answer did not come back as a decision")
        browser.close()
        store.close()


def make_workspace(folder: Path, server: LabelStudioServer) -> Workspace:
    """Return a workspace whose settings name the server."""
    workspace = create_workspace(folder / "quillane", "Quillane")
    with (workspace.root / "doyen.toml").open("a") as settings:
        token = server.tokens["lead@example.com"]["token"]
        settings.write(f'\n[annotation]\nlabel_studio_url = "{server.url}"\nlabel_studio_api_key = "{token}"\n')
    return workspace


def prepare(workspace: Workspace, store: Store) -> None:
    """Collect, clean and cut documents, and send a few tasks."""
    ingest(workspace, store, [DOCUMENTS])
    create_project(workspace, store, PROJECT, description=read_description(DESCRIPTION))
    draft_tasks(store, PROJECT, limit=8)
    push(workspace, store, PROJECT)


def disagree(server: LabelStudioServer, store: Store) -> None:
    """Have two people label what the server gives them; they differ about the first task that both get."""
    kind, project = task_type_of(get_project(store, PROJECT)), get_project(store, PROJECT).external_id
    first: dict[int, str] = {}
    for person in ("ada", "ben"):
        headers = {"Authorization": f"Token {server.tokens[f'{person}@example.com']['legacy']}"}
        differed = False
        with httpx.Client(base_url=server.url, headers=headers, timeout=120) as client:
            while (given := client.get(f"/api/projects/{project}/next")).is_success:
                task = given.json()
                answer = first.setdefault(task["id"], "specification")
                if person == "ben" and not differed:
                    answer, differed = "procedure", True
                result = kind.write(Classes((answer,)), task["data"])
                client.post(f"/api/tasks/{task['id']}/annotations", json={"result": result}).raise_for_status()


def sign_in(browser: Any, server: LabelStudioServer, email: str) -> Any:
    """Return a page of a fresh browser profile, signed in as that person."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{server.url}/user/login/")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "login" not in url)
    return page


def show_project(page: Any, server: LabelStudioServer, store: Store, project: str) -> None:
    """Open the list of tasks."""
    page.goto(f"{server.url}/projects/{get_project(store, project).external_id}/data")
    page.wait_for_selector("text=Label All Tasks")


def label_next(page: Any, server: LabelStudioServer, store: Store, project: str) -> None:
    """Open the next task as the server serves it."""
    page.goto(f"{server.url}/projects/{get_project(store, project).external_id}/data?labeling=1")
    page.wait_for_selector(".lsf-htx-richtext, .lsf-richtext")


def submit(page: Any) -> None:
    """Send the answer on the screen."""
    with page.expect_response(lambda answer: answer.request.method == "POST" and "/annotations" in answer.url):
        page.click("button:has-text('Submit')")


def save(page: Any, path: Path) -> None:
    """Write a small picture once the page has settled."""
    page.wait_for_timeout(2_500)
    page.screenshot(path=path)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)
    sys.stdout.write(f"{path.name}: {path.stat().st_size // 1000} kB\n")


if __name__ == "__main__":
    main()
