"""Imports run one way, and what is not needed is not loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "datavore_widgets"
NAME = PACKAGE.name

# Who may import whom, by room; `late` imports, inside a function, may also reach those in the second set.
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    "errors": (set(), set()),
    "protocol": ({"errors"}, set()),
    "client": ({"errors", "protocol", "connect", "connect_sql"}, set()),
    "connect": ({"errors", "protocol"}, {"client", "service"}),
    "connect_sql": ({"errors", "protocol"}, {"client", "service"}),
    "service": ({"errors", "protocol"}, set()),
    "server": ({"errors", "protocol"}, set()),
    "widgets": ({"errors", "protocol", "client", "connect", "connect_sql"}, set()),
}


def room_of(module: str) -> str:
    """The room below the package: `datavore_widgets.client.http` is in `client`."""
    return module.removeprefix(NAME).removeprefix(".").partition(".")[0]


def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, whether late) of everything of this package that a file imports, types apart."""
    found: list[tuple[str, bool]] = []

    def walk(node: ast.AST, late: bool) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            whole = node.module == NAME
            found.extend((f"{node.module}.{alias.name}" if whole else str(node.module), late) for alias in node.names)
        late = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.iter_child_nodes(node):
            walk(child, late)

    walk(ast.parse(path.read_text("utf-8")), False)
    return [(module, late) for module, late in found if module.split(".")[0] == NAME]


def room_of_file(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


# What lies outside the rooms (the command line, the app) composes them.
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if room_of_file(path) in ROOMS)


def test_there_are_modules_in_every_room():
    assert {room_of_file(path) for path in MODULES} == set(ROOMS)
    assert len(MODULES) > 40


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    room = room_of_file(path)
    early, late_too = ROOMS[room]
    for module, late in imports(path):
        other = room_of(module)
        if other in (room, "__version__"):
            continue
        allowed = early | late_too if late else early
        assert other in allowed, f"{path.name} imports {module}{' late' if late else ''}"


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running some code."""
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(' '.join({{m.partition('.')[0] for m in sys.modules}}))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return set(told.stdout.split())


NOTEBOOK = {"ipywidgets", "ipyleaflet", "bqplot", "anywidget", "IPython", "traitlets", "voila"}
READERS = {"xarray", "dask", "netCDF4", "h5netcdf", "h5py", "zarr", "cftime", "scipy"}
COMPILER = {"numba", "llvmlite"}
SERVERS = {"starlette", "uvicorn"}

LIGHT = {
    "import datavore_widgets": NOTEBOOK | READERS | SERVERS | COMPILER | {"numpy", "pandas", "requests"},
    "import datavore_widgets.protocol.payloads, datavore_widgets.protocol.wire": NOTEBOOK
    | READERS
    | SERVERS
    | {"pandas", "requests", "PIL"},
    "from datavore_widgets import Datavore, Datalaps, HttpService": NOTEBOOK | READERS | SERVERS,
    "from datavore_widgets import Datavore; Datavore('http://127.0.0.1:9')": NOTEBOOK | READERS | SERVERS,
    # The first picture of prepared data waits for whatever this loads.
    "import datavore_widgets.service.local": NOTEBOOK | READERS | SERVERS | COMPILER | {"pandas", "requests", "PIL"},
    "import datavore_widgets.server.app, datavore_widgets.server.run": NOTEBOOK | READERS | {"pandas", "requests"},
    "import datavore_widgets.server.run, datavore_widgets.service.local": NOTEBOOK | {"requests"},
}


@pytest.mark.parametrize("code", LIGHT)
def test_what_is_not_needed_is_not_loaded(code):
    assert not loaded_after(code) & LIGHT[code]


@pytest.mark.parametrize("name", ["Explorer", "DatavoreMap", "TimeseriesChart"])
def test_widgets_load_no_reader(name):
    loaded = loaded_after(f"from datavore_widgets import {name}")
    assert "ipywidgets" in loaded
    assert not loaded & {"xarray", "netCDF4", "h5netcdf", "zarr"}


def test_public_names_are_all_there():
    # In an interpreter of its own: the widgets' libraries warn when they are loaded.
    code = "import datavore_widgets as d; assert {*d.__all__} <= {*dir(d)}; [getattr(d, name) for name in d.__all__]"
    assert {"ipywidgets", "requests"} <= loaded_after(code)


def test_a_public_name_is_never_a_module():
    """A module of the package would take the place of a function of its name as soon as it is loaded."""
    import datavore_widgets

    assert not {path.stem for path in PACKAGE.glob("*.py")} & set(datavore_widgets.__all__)
    with pytest.raises(AttributeError):
        datavore_widgets.Datavor  # noqa: B018
