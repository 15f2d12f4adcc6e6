"""Preparing on a real Dask cluster of two worker processes: the same bytes, also where one of them is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import pytest

from datavore_widgets.errors import Cancelled, InvalidValue, Unreadable
from datavore_widgets.protocol.job import Job
from datavore_widgets.service.laps.prepare import prepare

distributed = pytest.importorskip("distributed")

# Of Dask's own, while processes start and end.
pytestmark = pytest.mark.filterwarnings("ignore")

TIMES, NY, NX = 1400, 64, 96
SEGMENTS = 6


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of some segments, each of which takes a while."""
    path = tmp_path_factory.mktemp("data") / "v.nc"
    values = np.random.default_rng(1).integers(-30000, 30000, (TIMES, NY, NX)).astype(np.int16)
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": TIMES, "lat": NY, "lon": NX}
        axes = (
            ("time", np.arange(TIMES) + 0.5, "days since 2000-01-01"),
            ("lat", 90 - (np.arange(NY) + 0.5) * 180 / NY, "degrees_north"),
            ("lon", (np.arange(NX) + 0.5) * 360 / NX, "degrees_east"),
        )
        for name, axis, units in axes:
            file.create_variable(name, (name,), np.float64, data=axis).attrs["units"] = units
        v = file.create_variable("v", ("time", "lat", "lon"), np.int16, fillvalue=np.int16(-32768), chunks=(1, NY, NX))
        v.attrs["scale_factor"] = 0.01
        v[...] = values
    return path


@pytest.fixture
def client() -> Iterator[Any]:
    """Of a cluster of two worker processes; not the active one of this process."""
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of prepared data by its name, apart from the lock."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def test_the_same_bytes_as_in_one_process_also_if_a_worker_is_killed(path: Path, tmp_path: Path, client: Any) -> None:
    [alone] = prepare(path, folder=tmp_path / "alone", fields=True)
    pids = list(client.run(os.getpid).values())
    assert os.getpid() not in pids
    assert len(set(pids)) == 2
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if 0 < done < total and not killed:
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    [shared] = prepare(path, folder=tmp_path / "shared", fields=True, job=Job(kill), scheduler=client.scheduler.address)
    assert killed, "a worker was lost in the middle"
    assert (shared.built, shared.steps, shared.nbytes) == (SEGMENTS, TIMES, alone.nbytes)
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")


def test_the_active_client_does_it_by_itself(path: Path, tmp_path: Path, client: Any) -> None:
    with client.as_current():
        prepare(path, folder=tmp_path / "laps", fields=False)
    logged = client.run(lambda dask_worker: len(dask_worker.state.log))
    assert all(count > 0 for count in logged.values()), "both workers had something to do"


def test_an_error_of_a_worker_is_the_one_that_is_told(path: Path, tmp_path: Path, client: Any) -> None:
    folder = tmp_path / "laps"

    def spoil(done: int, total: int) -> None:
        if done:
            return
        stamp = path.stat()
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1_000_000_000))

    with pytest.raises(Unreadable, match=r"same files and the same folder|was changed"):
        prepare(path, folder=folder, job=Job(spoil), scheduler=client.scheduler.address)
    assert not list(folder.rglob("manifest.json")), "nothing is published that is not whole"


def test_it_can_be_cancelled(path: Path, tmp_path: Path, client: Any) -> None:
    job = Job(lambda done, total: job.cancel() if done else None)
    with pytest.raises(Cancelled):
        prepare(path, folder=tmp_path / "laps", job=job, scheduler=client.scheduler.address)


def test_a_scheduler_that_does_not_answer_is_said(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"no Dask scheduler answers at .tcp://127\.0\.0\.1:9"):
        prepare(path, folder=tmp_path / "laps", scheduler="tcp://127.0.0.1:9")
