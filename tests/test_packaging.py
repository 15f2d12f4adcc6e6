"""What is installed: the wheel holds all that runs, and conda users get what pip users get."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

CONDA_NAMES = {"duckdb": "python-duckdb", "isal": "python-isal", "msgpack": "msgpack-python"}
"""Packages that conda-forge calls otherwise than PyPI."""


def split(requirement: str) -> tuple[str, str]:
    found = re.fullmatch(r"([A-Za-z0-9_.-]+?)\s*(>=[\d.]+(?:,(?:<|!=)[\d.*]+)*)?", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[1]).lower(), found[2] or ""


def test_conda_users_get_the_same() -> None:
    wanted = [
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["plot"],
        *PROJECT["optional-dependencies"]["lab"],
    ]
    expected = {CONDA_NAMES.get(name, name): bound for name, bound in map(split, wanted)}
    expected |= {"python": PROJECT["requires-python"], "pip": ""}
    lines = (ROOT / "environment.yml").read_text().splitlines()
    found = dict(
        split(line.removeprefix("  - ")) for line in lines if re.match(r"  - [a-z]", line) and "pip:" not in line
    )
    found.pop("conda-forge")
    assert found == expected


def test_each_dependency_has_its_reason() -> None:
    block = (ROOT / "pyproject.toml").read_text().partition("\ndependencies = [")[2].partition("\n]")[0]
    for line in block.splitlines():
        if line.strip().startswith('"'):
            assert re.search(r"# \S+ \S+", line), line


def test_every_import_is_declared() -> None:
    declared = {split(requirement)[0] for requirement in PROJECT["dependencies"]}
    modules = {"pil": "pillow", "impala": "impyla", "jupyter-client": "jupyter-client"}
    files = list((ROOT / "datavore_widgets").rglob("*.py"))
    assert len(files) > 30
    missing = set()
    for file in files:
        for name in re.findall(r"^\s*(?:from|import) ([A-Za-z0-9_]+)", file.read_text(), re.MULTILINE):
            package = modules.get(name.lower().replace("_", "-"), name.lower().replace("_", "-"))
            if name not in sys.stdlib_module_names and name != "datavore_widgets" and package not in declared:
                missing.add(f"{name} ({file.relative_to(ROOT)})")
    assert missing <= {f"IPython ({file.relative_to(ROOT)})" for file in files}, "IPython comes with ipykernel"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel made of what lies here."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (made,) = folder.glob("*.whl")
    with zipfile.ZipFile(made) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_all_that_runs(wheel: set[str]) -> None:
    package = ROOT / "datavore_widgets"
    sources = {
        str(file.relative_to(ROOT))
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and not file.name.startswith(".")
    }
    kept = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", "--cached", "datavore_widgets"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if kept.returncode == 0:  # what git ignores is not of the package
        sources &= set(kept.stdout.split("\n"))
    assert {"datavore_widgets/py.typed", "datavore_widgets/app/explorer.ipynb"} <= sources
    assert any(name.startswith("datavore_widgets/widgets/static/") for name in sources)
    assert "datavore_widgets/web/page/index.html.j2" in sources
    assert sources <= wheel


def test_the_wheel_holds_nothing_else(wheel: set[str]) -> None:
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {"datavore_widgets"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
