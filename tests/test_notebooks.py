"""The notebooks run from top to bottom, and are kept without what they said."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pytest
from fields import field
from nbclient import NotebookClient
from processes import started

ROOT = Path(__file__).resolve().parents[1]
APP = ROOT / "datavore_widgets" / "app" / "explorer.ipynb"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["composition", "quickstart"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, sample_catalog: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    done = NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    said = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in said if output.output_type == "stream" and output.name == "stderr"], said
    assert any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in said)


@pytest.mark.parametrize("path", [*NOTEBOOKS, APP], ids=lambda p: p.stem)
def test_outputs_are_stripped(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def blocks_of_the_readme() -> list[str]:
    """Its pieces of Python, in the order of the page: a notebook, an app, a program, a query."""
    return [text.partition("```")[0] for text in (ROOT / "README.md").read_text().split("```python\n")[1:]]


@pytest.mark.parametrize(("block", "shown"), [*enumerate((4, 1, 0, 0))], ids=("notebook", "app", "program", "query"))
def test_it_runs_pasted_from_the_readme(block: int, shown: int, sample_catalog: Path, tmp_path: Path) -> None:
    """As one cell of a notebook, in a folder with the files that it names."""
    (tmp_path / "sst").mkdir()
    for month in ("07", "08"):
        sea = field(np.arange(-90.0, -30), np.arange(20.0, 50), times=1)
        sea = sea.assign_coords(time=np.array([f"2015-{month}-12"], dtype="M8[ns]"))
        sea.to_netcdf(tmp_path / "sst" / f"{month}.nc", engine="h5netcdf")
    blocks = blocks_of_the_readme()
    assert len(blocks) == 4
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(blocks[block])])
    resources = {"metadata": {"path": str(tmp_path)}}
    done = NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    said = done.cells[0].outputs
    assert not [output for output in said if output.output_type == "stream" and output.name == "stderr"], said
    widgets = [output for output in said if "application/vnd.jupyter.widget-view+json" in output.get("data", {})]
    assert len(widgets) == shown
    if not shown:
        assert said


def test_the_program_of_the_readme_says_what_it_should(
    sample_catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {}
    exec(blocks_of_the_readme()[2], names)
    assert names["png"][:8] == b"\x89PNG\r\n\x1a\n"
    assert len(names["series"]) == 30
    assert "(12, 40) m" in capsys.readouterr().out


def test_the_readme_s_picture_is_there_and_small() -> None:
    picture = ROOT / "notebooks" / "explorer.png"
    assert f"({picture.relative_to(ROOT)})" in (ROOT / "README.md").read_text()
    assert picture.stat().st_size < 300_000


def test_a_visitor_s_kernel_loads_no_xarray(sample_catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(APP, as_version=4)
    notebook.cells += [
        nbformat.v4.new_code_cell(
            "from datavore_widgets import Datalaps\n"
            'len(Datalaps().getTimeserie("sample/climate", "sst_anomaly", [-150, 0], groupby="yyyy"))'
        ),
        nbformat.v4.new_code_cell(
            "import sys\nsorted({'xarray', 'h5py', 'netCDF4', 'zarr', 'dask', 'scipy'} & set(sys.modules))"
        ),
    ]
    with started("datavore_widgets.cli", "serve", "--port", "0", str(sample_catalog)) as server:
        monkeypatch.setenv("DATAVORE_SERVICE", server.wait_for_url(r"(http://127\.0\.0\.1:\d+)"))
        done = NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    texts = [cell.outputs[-1]["data"]["text/plain"] for cell in done.cells[-2:]]
    assert texts == ["30", "[]"]
