"""The benchmarks on small data: everything in them works, and reads what it has to read; how fast, they say alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import BENCHMARKS, PROGRAMS, main, measure
from tests.benchmarks.table import Run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Small, without peers of other environments: nothing is installed by a test."""
    return Run(tmp_path, quick=True, rounds=1, with_peers=False)


@pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning")  # dask, over land alone
@pytest.mark.filterwarnings("ignore:The specified chunks separate the stored chunks")  # the peer's best layout
def test_boxes_go_over_their_edges_and_blocks_alone(run: Run) -> None:
    pytest.importorskip("dask")
    measure(["boxes"], run)
    against = {row.against for row in run.rows}
    assert {"xarray + dask, chunks of time", "xarray + dask, single steps"} <= against
    assert len(run.rows) == 2 + 3 * 3 + 1 + 1
    for label in ("10×10", "100×100", "400×800"):
        # The answers were compared with the peer's on the way. Five aggregates go over the data once.
        assert 0 < run.counts[f"{label}: bytes gone over"] <= run.counts[f"{label}: bytes of edges and blocks"]
    assert not list(run.folder.iterdir()), "what a benchmark makes is removed"


def test_pictures_read_what_their_pixels_need(run: Run) -> None:
    pytest.importorskip("matplotlib")
    measure(["pictures", "stages"], run)
    assert {row.against for row in run.rows} == {"matplotlib pcolormesh", ""}
    assert run.counts["bytes read for a new colour map"] == 0
    for what in ("the whole", "a part of 1024²"):
        # Floats of four bytes, of at most three cells to a pixel in each direction and the cells around.
        assert 0 < run.counts[f"bytes decoded for {what}"] <= 4 * (3 * 256 + 4) ** 2


def test_every_date_is_drawn_once(run: Run) -> None:
    measure(["frames"], run)
    assert len(run.rows) == 3 * 5
    for size in ("1024²", "1024×512", "512²"):
        assert run.counts[f"pictures drawn of {size}"] == run.counts["dates"]


def test_cold_processes_draw(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    measure(["starting", "imports"], run)
    assert [row.work for row in run.rows][:1] == ["… ours in milliseconds"]
    assert capsys.readouterr().out.count("the ten costliest of") == 5
    assert run.counts["needless modules that the first picture loads"] == 0


def test_every_row_tells_the_command_that_gives_it(run: Run) -> None:
    measure(["mosaic"], run)
    assert run.rows
    assert all(row.command == "python -m tests.benchmarks mosaic --quick" for row in run.rows)
    assert run.table().count("\n") == len(run.rows) + 1


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["boxen"])
    said = capsys.readouterr().err
    assert all(name in said for name in [*BENCHMARKS, *PROGRAMS])


def test_a_folder_that_is_known_is_opened_without_its_files() -> None:
    program = Path(__file__).parent / "benchmarks" / "bench_files.py"
    told = subprocess.run([sys.executable, program, "10000"], capture_output=True, check=True, text=True).stdout
    assert "(7 found)" in told
    assert "1 of them opened" in told
    assert "(85 found)" in told
