"""A real Chromium, the programs it visits, and what a test must not overlook."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from chromium import FLAGS, find_chromium
from notebook_file import notebook_of
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright
from processes import Program, started

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"

ALLOWED_ERRORS = (
    # Requests to other hosts are refused by the fixture `page`, so that a test cannot depend on them; Chromium says so.
    r"net::ERR_BLOCKED_BY_CLIENT",
    # A page that is left asks Voila to end its kernel. The app's pages have the token for it (test_app); those of a
    # plain Voila have not, and are refused.
    r"/voila/api/shutdown/",
    # Pages ask for it by themselves.
    r"favicon\.ico",
)
"""Console errors that are not the page's fault, each with its reason."""


IN_CI = os.environ.get("CI", "").lower() == "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if IN_CI:
                # A browser, Jupyter's server and a kernel are at work here, with races of their own that no test of
                # ours can wait for. What fails is tried once more, and the summary tells that it was.
                item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium; of a module, since while Playwright runs no other test can start a loop of asyncio."""
    path = find_chromium()
    if path is None:
        if IN_CI:
            pytest.fail("no Chromium was found: under CI=true that is an error")
        pytest.skip("no Chromium was found (on Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def viewport() -> tuple[int, int]:
    """Width and height of the page in pixels; parametrise it to try others."""
    return 1440, 900


@pytest.fixture
def outside() -> list[str]:
    """The URLs on other hosts that the page has asked for; they were all refused."""
    return []


@pytest.fixture
def new_page(chromium: Browser, viewport: tuple[int, int], outside: list[str]) -> Iterator[Callable[..., Page]]:
    """Fresh pages, each by itself, with further words for its context (as `timezone_id`); an error in the console of
    one, or one thrown by its scripts, fails the test."""
    width, height = viewport
    errors: list[str] = []

    def only_here(route: Route) -> None:
        if urlsplit(route.request.url).hostname in {"localhost", "127.0.0.1"}:
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort("blockedbyclient")

    def heard(message: ConsoleMessage) -> None:
        text = f"{message.text} ({message.location.get('url', '')})"
        if message.type == "error" and not any(re.search(allowed, text) for allowed in ALLOWED_ERRORS):
            errors.append(text)

    with contextlib.ExitStack() as contexts:

        def new(**words: Any) -> Page:
            context = chromium.new_context(viewport={"width": width, "height": height}, accept_downloads=True, **words)
            contexts.callback(context.close)
            context.route(re.compile(r"^https?://"), only_here)
            page = context.new_page()
            page.on("console", heard)
            page.on("pageerror", lambda error: errors.append(str(error)))
            return page

        yield new
    assert not errors, "errors in the page's console:\n" + "\n".join(errors)


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A fresh page; an error in its console, or one thrown by its scripts, fails the test."""
    return new_page()


@pytest.fixture
def screenshot(page: Page, request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """Keep what the page looks like, as `artifacts/{test}-{name}.png`."""

    def take(name: str) -> Path:
        ARTIFACTS.mkdir(exist_ok=True)
        test = re.sub(r"[^\w.-]+", "-", request.node.name).strip("-")
        path = ARTIFACTS / f"{test}-{name}.png"
        page.screenshot(path=path)
        return path

    return take


@pytest.fixture(scope="session")
def start_explorer(_own_cache: None) -> Iterator[Callable[..., str]]:
    """`datavore explore` on some paths or a URL → the page's URL; equal ones are started once a session."""
    running: dict[tuple[str, ...], str] = {}
    with contextlib.ExitStack() as stack:

        def start(*sources: str | Path) -> str:
            key = tuple(map(str, sources))
            if key not in running:
                command = ["datavore_widgets.cli", "explore", "--no-browser", "--port", "0", *key]
                running[key] = stack.enter_context(started(*command)).wait_for_url(r"(http://127\.0\.0\.1:\d+/)")
            return running[key]

        yield start


@pytest.fixture
def start_lab(tmp_path: Path, _own_cache: None) -> Iterator[Callable[..., str]]:
    """JupyterLab with these notebooks in its folder → the URL of the first of them."""
    with contextlib.ExitStack() as stack:

        def start(notebook: Path, *more: Path, environment: dict[str, Any] | None = None) -> str:
            root = tmp_path / "lab"
            root.mkdir()
            for file in (notebook, *more):
                (root / file.name).write_bytes(file.read_bytes())
            own = {
                name: str(tmp_path / name)
                for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTERLAB_SETTINGS_DIR")
            }
            settings = Path(own["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab", "apputils-extension")
            settings.mkdir(parents=True)
            # The question about news covers a corner of the page until it is answered.
            (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
            options = ["--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root", f"--ServerApp.root_dir={root}"]
            options += [
                "--IdentityProvider.token=",
                "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            ]
            lab: Program = stack.enter_context(
                started("jupyterlab", *options, environment={**own, **(environment or {})}, cwd=str(root))
            )
            url = lab.wait_for_url(r"(http://(?:127\.0\.0\.1|localhost):\d+/lab)")
            return f"{url}/tree/{notebook.name}"

        yield start


@pytest.fixture(scope="session")
def start_cell(tmp_path_factory: pytest.TempPathFactory, sample_catalog: Path) -> Iterator[Callable[[str], str]]:
    """A page of Voila with what one cell shows → its URL; equal cells are started once a session."""
    running: dict[str, str] = {}
    with contextlib.ExitStack() as stack:

        def start(source: str) -> str:
            if source not in running:
                notebook = tmp_path_factory.mktemp("page") / "page.ipynb"
                notebook.write_text(notebook_of(source))
                with socket.socket() as free:
                    free.bind(("127.0.0.1", 0))
                    port = free.getsockname()[1]
                options = ["--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
                page = stack.enter_context(started("voila", str(notebook), *options, cwd=str(notebook.parent)))
                running[source] = page.wait_for_url(r"(http://127\.0\.0\.1:\d+/)")
            return running[source]

        yield start
