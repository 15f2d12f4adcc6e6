"""The kernels of the app: what they load, how the first of them begins, and that none outlives the command."""

from __future__ import annotations

import importlib
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from fields import field
from jupyter_client.blocking.client import BlockingKernelClient
from processes import Program, is_gone, started, until

from datavore_widgets.cli import _held_back
from datavore_widgets.web.early import EarlyKernel
from datavore_widgets.web.kernel import _Later

EXPLORE = ("datavore_widgets.cli", "explore", "--no-browser", "--port", "0")
KERNEL = "datavore_widgets.web.kernel"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "sea.nc"
    field(np.arange(-60.0, -30), np.arange(20.0, 40), times=1).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the connection files go; a short path, so that kernels listen on sockets of the user's own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


def kernels_below(program: Program) -> list[psutil.Process]:
    return [child for child in program.children() if KERNEL in child.cmdline()]


def page_of(program: Program) -> str:
    reply = httpx.get(program.wait_for_url(r"(http://127\.0\.0\.1:\d+/)"), timeout=90)
    assert reply.status_code == 200
    assert "application/vnd.jupyter.widget-view+json" in reply.text, reply.text[-2000:]
    return reply.text


def said_by_the_kernel(page: str, folder: Path, expression: str) -> str:
    """What an expression is in the kernel of a page."""
    found = re.search(r'"kernelId": "([0-9a-f-]+)"', page)
    assert found
    client = BlockingKernelClient()
    client.load_connection_file(next(folder.glob(f"voila_*/kernel-{found[1]}.json")))
    client.start_channels()
    try:
        said: list[str] = []
        client.execute_interactive(
            expression,
            timeout=60,
            output_hook=lambda message: said.extend(message["content"].get("data", {}).values()),
        )
    finally:
        client.stop_channels()
    return said[0]


def test_the_kernel_of_a_page_was_started_with_the_command_and_loads_no_site(folder: Path, data: Path) -> None:
    with started(*EXPLORE, str(data), environment={"TMPDIR": str(folder)}) as program:
        until(lambda: len(kernels_below(program)) == 1, "a kernel while the service opens")
        first = kernels_below(program)[0]
        page = page_of(program)
        told = said_by_the_kernel(page, folder, "__import__('os').getpid()")
        assert int(told) == first.pid
        loaded = said_by_the_kernel(page, folder, "' '.join(n for n, m in __import__('sys').modules.items() if m)")
        assert "ipykernel" in loaded
        assert not {"voila", "jupyter_server", "debugpy", "xarray", "pandas.core"} & set(loaded.strip("'").split())
        # Without it a page would ask for the state of each widget by itself.
        targets = said_by_the_kernel(page, folder, "' '.join(get_ipython().kernel.comm_manager.targets)")
        assert "jupyter.widget.control" in targets


def test_pandas_is_loaded_when_it_is_used(folder: Path, data: Path) -> None:
    with started(*EXPLORE, str(data), environment={"TMPDIR": str(folder)}) as program:
        page = page_of(program)
        day = "__import__('sys').modules['bqplot.traits'].pd.Timestamp('1970-01-02').day"
        assert said_by_the_kernel(page, folder, day) == "2"
        assert said_by_the_kernel(page, folder, "'pandas.core' in __import__('sys').modules") == "True"


def test_a_part_of_a_module_that_is_loaded_later_loads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "wsgiref"]:
        monkeypatch.delitem(sys.modules, name)
    later = _Later("wsgiref")
    monkeypatch.setitem(sys.modules, "wsgiref", later)
    assert later.__file__
    assert sys.modules["wsgiref"] is later
    assert importlib.import_module("wsgiref.util").guess_scheme({}) == "http"
    assert sys.modules["wsgiref"] is not later
    assert later.util is sys.modules["wsgiref.util"]


def test_a_first_kernel_that_has_died_is_replaced(folder: Path, data: Path) -> None:
    with started(*EXPLORE, str(data), environment={"TMPDIR": str(folder)}) as program:
        until(lambda: len(kernels_below(program)) == 1, "a kernel while the service opens")
        kernels_below(program)[0].kill()
        page_of(program)
        assert "Traceback" not in program.output


def test_a_page_whose_kernel_ends_says_so_and_the_next_one_comes(data: Path) -> None:
    with started(*EXPLORE, str(data)) as program:
        url = program.wait_for_url(r"(http://127\.0\.0\.1:\d+/)")
        (kernel,) = kernels_below(program)
        kernel.suspend()  # until it is killed nothing is drawn
        with httpx.stream("GET", url, timeout=90) as reply:
            parts = reply.iter_text()
            text = next(parts)
            kernel.kill()
            text += "".join(parts)
        assert "has ended before it was ready. Reload the page" in text
        assert "application/vnd.jupyter.widget-view+json" in httpx.get(url, timeout=90).text
        assert "Traceback" not in program.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_ended_while_it_starts_it_leaves_nothing_behind(number: signal.Signals, data: Path) -> None:
    with started(*EXPLORE, str(data)) as program:
        until(lambda: len(program.children()) >= 2, "a service and a kernel")
        children = program.children()
        program.process.send_signal(number)
        assert program.process.wait(40) != 0
        for child in children:
            until(lambda child=child: is_gone(child), f"{child} outlives the explorer")
        assert "Traceback" not in program.output


def test_ctrl_c_while_the_site_is_loaded_is_heard_behind_it() -> None:
    heard: list[str] = []

    def load() -> None:
        with _held_back():
            os.kill(os.getpid(), signal.SIGINT)
            heard.append("nothing yet")

    with pytest.raises(KeyboardInterrupt):
        load()
    assert heard == ["nothing yet"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_first_kernel_that_nobody_needs_ends() -> None:
    with EarlyKernel():
        children = [child for child in psutil.Process().children() if KERNEL in child.cmdline()]
        assert len(children) == 1
    assert is_gone(children[0])


def test_only_one_kernel_begins(tmp_path: Path) -> None:
    file = tmp_path / "kernel.json"
    with EarlyKernel() as early:
        child = early.begin(["-f", str(file)], os.environ, tmp_path)
        assert child is not None
        assert early.begin(["-f", str(file)], os.environ, tmp_path) is None
    try:
        until(file.exists, "a kernel that listens")
        assert child.poll() is None, "it was ended with what has not begun"
    finally:
        child.kill()
        child.wait()
