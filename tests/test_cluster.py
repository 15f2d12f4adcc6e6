"""A real Dask cluster of two worker processes: it prepares the same bytes and reads the same boxes, also where one of
them is killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fields
import h5netcdf
import numpy as np
import pytest

from datavore_widgets.client.http import HttpService
from datavore_widgets.errors import Cancelled, InvalidValue, Unreadable
from datavore_widgets.protocol.answers import MapImage, Series
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import Canvas, LapseMapQuery, SeriesQuery, Style, parse_filters
from datavore_widgets.service import tiles
from datavore_widgets.service.index import Variable
from datavore_widgets.service.laps.prepare import prepare
from datavore_widgets.service.local import LocalService

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


@contextlib.contextmanager
def two_workers() -> Iterator[Any]:
    """A client of a cluster of two worker processes; not the active one of this process."""
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Of a cluster that is left as it was."""
    with two_workers() as client:
        yield client


@pytest.fixture
def doomed() -> Iterator[Any]:
    """Of a cluster of which a worker may be killed."""
    with two_workers() as client:
        yield client


def works(client: Any) -> dict[str, int]:
    """How much each worker has done."""
    told: dict[str, int] = client.run(lambda dask_worker: len(dask_worker.state.log))
    return told


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of prepared data by its name, apart from the lock."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def test_the_same_bytes_as_in_one_process_also_if_a_worker_is_killed(path: Path, tmp_path: Path, doomed: Any) -> None:
    [alone] = prepare(path, folder=tmp_path / "alone", fields=True)
    pids = list(doomed.run(os.getpid).values())
    assert os.getpid() not in pids
    assert len(set(pids)) == 2
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if 0 < done < total and not killed:
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    [shared] = prepare(path, folder=tmp_path / "shared", fields=True, job=Job(kill), scheduler=doomed.scheduler.address)
    assert killed, "a worker was lost in the middle"
    assert (shared.built, shared.steps, shared.nbytes) == (SEGMENTS, TIMES, alone.nbytes)
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")


def test_the_active_client_does_it_by_itself(path: Path, tmp_path: Path, client: Any) -> None:
    before = works(client)
    with client.as_current():
        prepare(path, folder=tmp_path / "laps", fields=False)
    assert all(works(client)[worker] > count for worker, count in before.items()), "both workers had something to do"


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


# --- boxes that are not prepared -------------------------------------------------------------------------------------

BOX = BBox(-100.0, -70.0, 120.0, 80.0)
STEPS = 50
"""Of a tile, as the tests cut them."""

QUESTIONS: dict[str, Any] = {
    "avg": SeriesQuery("v", "v", BOX),
    "std by month": SeriesQuery("v", "v", BOX, aggregate="std", groupby="yyyy-MM"),
    "by area": SeriesQuery("v", "v", BOX, aggregate="area_avg", groupby="yyyy"),
    "where it is warm": SeriesQuery("v", "v", BOX, filters=parse_filters({"v": {"min": 100}})),
    "a map": LapseMapQuery("v", "v", Canvas(BOX), style=Style(vmin=-300.0, vmax=300.0)),
}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many tiles that they have to be shared out."""
    monkeypatch.setattr(tiles, "READ_BYTES", STEPS * NY * NX * 8)


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process reads no value; its workers do."""

    def refused(*_: Any) -> Any:
        raise AssertionError("values were read by the process that asks")

    monkeypatch.setattr(Variable, "read", refused)


def plainly(path: Path, tmp_path: Path, query: Any) -> Any:
    """The answer of a process alone, before anything else of a test is in force."""
    with LocalService(path, laps=tmp_path / "nowhere") as alone:
        return alone.answer(query)


def assert_equal(found: Any, expected: Any) -> None:
    if isinstance(found, Series):
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_array_equal(found.counts, expected.counts)
        # Sums of the same tiles, joined in the same order.
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-13)
    else:
        assert isinstance(found, MapImage)
        assert (found.valid, found.total) == (expected.valid, expected.total)
        assert found.png == expected.png


@pytest.fixture(scope="module")
def expected(path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The answers of a process alone."""
    nowhere = tmp_path_factory.mktemp("alone")
    return {name: plainly(path, nowhere, query) for name, query in QUESTIONS.items()}


@pytest.mark.usefixtures("small", "no_reading")
def test_workers_read_boxes_and_only_what_they_make_of_them_travels(
    path: Path, tmp_path: Path, client: Any, expected: dict[str, Any]
) -> None:
    first = works(client)
    with LocalService(path, laps=tmp_path / "nowhere", scheduler=client.scheduler.address) as service:
        for name, query in QUESTIONS.items():
            parts: list[Any] = []
            job = Job()
            job.on_partial, job.every = parts.append, 0.0
            before = service.stats.blocks
            assert_equal(service.answer(query, job), expected[name])
            # The deviation comes with the mean: it is remembered.
            assert (service.stats.blocks - before > 10) == (name != "std by month")
            assert job.done == job.total
            for part in parts:
                assert part.is_partial
                if query.groupby is None:
                    np.testing.assert_array_equal(part.values, expected[name].values[: part.values.size])
    assert all(works(client)[worker] > count for worker, count in first.items()), "both workers had something to do"


@pytest.mark.usefixtures("small", "no_reading")
@pytest.mark.parametrize("name", ["avg", "by area", "a map"])
def test_a_worker_that_is_killed_in_the_middle_makes_no_answer_short(
    path: Path, tmp_path: Path, doomed: Any, expected: dict[str, Any], name: str
) -> None:
    pids = list(doomed.run(os.getpid).values())
    assert os.getpid() not in pids
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if 0 < done < total and not killed:
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    with LocalService(path, laps=tmp_path / "nowhere", scheduler=doomed.scheduler.address) as service:
        assert_equal(service.answer(QUESTIONS[name], Job(kill)), expected[name])
    assert killed, "a worker was lost in the middle"


@pytest.mark.usefixtures("small", "no_reading")
def test_the_active_client_reads_by_itself_and_can_be_stopped(
    path: Path, tmp_path: Path, client: Any, expected: dict[str, Any]
) -> None:
    with client.as_current(), LocalService(path, laps=tmp_path / "nowhere") as service:
        job = Job(lambda done, _: job.cancel() if done else None)
        with pytest.raises(Cancelled):
            service.answer(QUESTIONS["avg"], job)
        assert_equal(service.answer(QUESTIONS["avg"]), expected["avg"])


@pytest.mark.usefixtures("small")
def test_without_a_cluster_it_is_read_here(path: Path, tmp_path: Path, expected: dict[str, Any]) -> None:
    assert_equal(plainly(path, tmp_path, QUESTIONS["avg"]), expected["avg"])


@pytest.mark.usefixtures("small")
def test_workers_that_see_other_files_are_an_error(path: Path, tmp_path: Path, client: Any) -> None:
    mine = tmp_path / "v.nc"
    mine.write_bytes(path.read_bytes())

    def change(done: int, total: int) -> None:
        if done == 0:
            stamp = mine.stat()
            os.utime(mine, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1_000_000_000))

    with (
        LocalService(mine, laps=tmp_path / "nowhere", scheduler=client.scheduler.address) as service,
        pytest.raises(Unreadable, match=r"sees other files|was changed while it was read"),
    ):
        service.answer(QUESTIONS["avg"], Job(change))


@pytest.mark.usefixtures("small")
def test_a_cluster_that_is_gone_is_an_error(path: Path, tmp_path: Path) -> None:
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        service = LocalService(path, laps=tmp_path / "nowhere", scheduler=cluster.scheduler_address)
        job = Job(lambda done, _: cluster.close() if done else None)
        with pytest.raises(Unreadable, match="the cluster could not finish"):
            service.answer(QUESTIONS["avg"], job)
        with pytest.raises(Unreadable, match="the cluster could not finish"):
            service.answer(QUESTIONS["by area"])
        service.close()


def test_data_in_memory_and_a_scheduler_do_not_go_together() -> None:
    with pytest.raises(InvalidValue, match="data in memory are not among their files"):
        LocalService(fields.field(times=2), scheduler="tcp://127.0.0.1:9")


def test_the_command_serves_with_a_cluster(path: Path, tmp_path: Path, client: Any, expected: dict[str, Any]) -> None:
    command = [sys.executable, "-m", "datavore_widgets.cli", "serve", "--port", "0", "--until-eof"]
    with subprocess.Popen(
        [*command, "--scheduler", client.scheduler.address, "--", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found is not None
            before = works(client)
            # The whole globe: more than is read in one go.
            query = SeriesQuery("v", "v", BBox(-180, -90, 180, 90), aggregate="min")
            answer = HttpService(found.group()).answer(query)
        finally:
            server.stdin.close()
            server.wait(30)
    assert answer.values.size == TIMES
    np.testing.assert_array_equal(answer.values, plainly(path, tmp_path, query).values)
    assert sum(works(client).values()) > sum(before.values()), "the workers had something to do"
