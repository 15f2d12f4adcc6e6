"""The command line, as a person meets it: in processes of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest
import xarray as xr
from processes import Program, is_gone, started, until

from datavore_widgets import HttpService, __version__
from datavore_widgets.protocol.queries import CatalogQuery

CLI = "datavore_widgets.cli"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "tiny sea.nc"
    values = xr.DataArray(
        [[[1.0, 2.0], [3.0, 4.0]]],
        coords={"time": xr.date_range("2012-08-15", periods=1), "lat": [0.0, 1.0], "lon": [10.0, 11.0]},
        dims=("time", "lat", "lon"),
    )
    values.lat.attrs["units"], values.lon.attrs["units"] = "degrees_north", "degrees_east"
    values.to_dataset(name="sst").to_netcdf(path, engine="h5netcdf")
    return path


def say(*arguments: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", CLI, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def test_version_and_help_load_nothing_heavy() -> None:
    assert say("--version").stdout.strip() == __version__
    code = (
        "import sys\n"
        "from datavore_widgets.cli import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "print(*{'xarray', 'voila', 'numpy', 'ipywidgets', 'starlette'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "explore" in done.stdout
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["serve", "nowhere.nc"], 1, ["nowhere.nc", "does not exist"]),
        (["explore", "--no-browser", "nowhere.nc"], 1, ["nowhere.nc", "does not exist"]),
        (["explore", "--no-browser", "http://127.0.0.1:9"], 1, ["127.0.0.1:9"]),
        (["explore", "--no-browser", "http://127.0.0.1:9", "more.nc"], 2, ["not both"]),
        (["serve", "--port", "70000"], 2, ["--port", "65535"]),
        (["explore", "--theme", "pink"], 2, ["light"]),
        (["exlpore"], 2, ["exlpore"]),
    ],
)
def test_what_is_asked_wrongly_is_one_line(arguments: list[str], code: int, words: list[str]) -> None:
    done = say(*arguments)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    if done.stderr.startswith("datavore: "):
        assert done.stderr.count("\n") == 1, done.stderr


def test_a_port_in_use_is_named(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in (["serve", "--port", port], ["explore", "--no-browser", "--port", port]):
            done = say(*command, data)
            assert done.returncode == 2
            assert port in done.stderr
            assert "Traceback" not in done.stderr


def test_serve_answers_until_ctrl_c(data: Path) -> None:
    with started(CLI, "serve", "--port", "0", str(data)) as program:
        url = program.wait_for_url(r"(http://127\.0\.0\.1:\d+)")
        info = HttpService(url).answer(CatalogQuery()).index("tiny sea")
        assert list(info.variables) == ["sst"]
        assert program.interrupt() == 0
        assert "Traceback" not in program.output


def test_a_served_process_loads_no_widgets(data: Path) -> None:
    code = (
        "import sys, threading\n"
        "from datavore_widgets import cli\n"
        "cli._wait = lambda _: print('widgets:', 'ipywidgets' in sys.modules)\n"
        "sys.argv = ['datavore', 'serve', '--port', '0', sys.argv[1]]\n"
        "cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=False)
    assert "widgets: False" in done.stdout, done.stderr


def service_below(program: Program) -> psutil.Process:
    return next(child for child in program.children() if "serve" in child.cmdline())


def test_explore_ends_with_all_it_started(data: Path) -> None:
    with started(CLI, "explore", "--no-browser", "--port", "0", str(data)) as program:
        url = program.wait_for_url(r"(http://127\.0\.0\.1:\d+/)")
        until(lambda: len(program.children()) >= 2, "a service and a kernel that stands by")
        children = program.children()
        assert httpx.get(url, timeout=60).status_code == 200
        assert program.interrupt(40) == 0
        for child in children:
            until(lambda child=child: is_gone(child), f"{child} outlives the explorer")
        assert "Traceback" not in program.output


def test_killed_it_leaves_nothing_behind(data: Path) -> None:
    with started(CLI, "explore", "--no-browser", "--port", "0", str(data)) as program:
        program.wait_for_url(r"(http://127\.0\.0\.1:\d+/)")
        until(lambda: len(program.children()) >= 2, "a service and a kernel that stands by")
        children = program.children()
        os.kill(program.process.pid, signal.SIGKILL)
        for child in children:
            until(lambda child=child: is_gone(child), f"{child} outlives the explorer")


def test_explore_ends_when_its_service_does(data: Path) -> None:
    with started(CLI, "explore", "--no-browser", "--port", "0", str(data)) as program:
        program.wait_for_url(r"(http://127\.0\.0\.1:\d+/)")
        service_below(program).kill()
        assert program.process.wait(40) == 1
        assert "the service has ended" in program.output
        assert "Traceback" not in program.output


def test_given_a_url_there_is_no_service_process(data: Path) -> None:
    with started(CLI, "serve", "--port", "0", str(data)) as server:
        url = server.wait_for_url(r"(http://127\.0\.0\.1:\d+)")
        with started(CLI, "explore", "--no-browser", "--port", "0", url) as program:
            program.wait_for_url(r"(http://127\.0\.0\.1:\d+/)")
            assert not any("serve" in child.cmdline() for child in program.children())
            assert program.interrupt(40) == 0
