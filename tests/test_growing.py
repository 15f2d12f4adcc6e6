"""Many files that nobody has looked into yet: several processes, a list that grows while it is asked, and says so."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from same import assert_same

from datavore_widgets import Sentinel1Viewer, cli
from datavore_widgets.client.http import HttpService
from datavore_widgets.client.sentinel1 import Datavoresentinel1
from datavore_widgets.connect import connect
from datavore_widgets.errors import Cancelled, Unreadable
from datavore_widgets.protocol.growth import Growth
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import AcquisitionsQuery, CatalogQuery, FilesQuery, QuicklookQuery
from datavore_widgets.protocol.times import Date
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service import crew, growing, ledger, recall
from datavore_widgets.service.catalog import open_catalog
from datavore_widgets.service.files import OpenFiles
from datavore_widgets.service.ledger import Ledger
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.recall import LEDGER, Recall
from datavore_widgets.service.wave_sample import Imagette, Swell, write_imagette
from datavore_widgets.service.waves import table
from datavore_widgets.service.waves.table import learn_row

pytestmark = pytest.mark.usefixtures("own_cache")

COUNT, FIRST = 12, 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Imagettes of two satellites; those of the second come behind in the order of names."""
    made: Path = tmp_path_factory.mktemp("month")
    for number in range(COUNT):
        time = dt.datetime(2020, 6, 15, 12) + dt.timedelta(seconds=15 * number)
        satellite = "S1A" if number < COUNT - 2 else "S1B"
        swells = [Swell(2.0, 250.0, 40.0)]
        write_imagette(Imagette(time, 10.0 + number, -20.0, swells, satellite, number=number + 1), made)
    return made


def paths_of(folder: Path) -> list[str]:
    return sorted(map(str, folder.glob("*.nc")))


@pytest.fixture
def in_crews(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A few files count as many; the commands of the processes that are started."""
    started: list[list[str]] = []
    before = subprocess.Popen

    def counting(command: list[str], **options: object) -> object:
        started.append(command)
        return before(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(crew.subprocess, "Popen", counting)
    monkeypatch.setattr(crew, "_MANY", 4)
    monkeypatch.setattr(crew, "_HANDFUL", 2)
    monkeypatch.setattr(crew, "_processors", lambda: 2)
    return started


def test_processes_find_what_is_found_here(folder: Path, in_crews: list[list[str]], tmp_path: Path) -> None:
    broken = tmp_path / Path(paths_of(folder)[0]).name
    broken.write_bytes(b"no file")
    paths = [*paths_of(folder), str(broken)]
    found = dict(crew.looked_into(learn_row, paths))
    assert len(in_crews) == 2
    assert set(found) == set(paths)
    assert isinstance(found.pop(str(broken)), Unreadable)
    assert found == {path: learn_row(path) for path in paths_of(folder)}


@pytest.mark.parametrize("python", ["/bin/false", "/not/there"])
def test_processes_that_die_leave_the_work_to_this_one(
    python: str, folder: Path, in_crews: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew.sys, "executable", python)
    assert dict(crew.looked_into(learn_row, paths_of(folder))).keys() == set(paths_of(folder))
    assert in_crews


def test_a_crew_is_gone_when_nobody_asks_on(folder: Path, in_crews: list[list[str]]) -> None:
    members: list[subprocess.Popen[bytes]] = []
    with crew._Crew("datavore_widgets.service.waves.table:learn_row", 2) as at_work:
        members += at_work._members
        found = at_work.found(paths_of(folder))
        next(found)
        found.close()
    assert [member.poll() is not None for member in members] == [True, True]


def test_a_member_ends_with_its_input() -> None:
    command = [sys.executable, "-m", "datavore_widgets.service.crew", "datavore_widgets.service.waves.table:learn_row"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, env=environment, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_a_first_list_that_is_given_up_goes_on_where_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ledger, "_BATCH", 2)
    looked: list[str] = []

    def learn(path: str) -> list[ledger.Record]:
        looked.append(path)
        return learn_row(path)

    def tell(done: int, _total: int) -> None:
        if done >= 6:
            raise Cancelled("enough")

    with Ledger(tmp_path / "a.sqlite") as kept:
        with pytest.raises(Cancelled):
            kept.refresh(paths_of(folder), learn, tell=tell)
        assert len(looked) == len(kept) == 6, "what was read can be searched"
        told: list[tuple[int, int]] = []
        done = kept.refresh(paths_of(folder), learn, tell=lambda *now: told.append(now))
    assert (done.kept, done.learned) == (6, 6)
    assert len(looked) == COUNT
    assert (told[0], told[-1]) == ((6, COUNT), (COUNT, COUNT))
    assert told == sorted(told)


def swaths(folder: Path, count: int) -> list[str]:
    folder.mkdir()
    made = []
    for number in range(count):
        lat, lon = np.meshgrid(np.linspace(-10, 10, 8) + number, np.linspace(0, 12, 6), indexing="ij")
        data = xr.Dataset(
            {"sst": (("time", "nj", "ni"), np.full((1, 8, 6), 280.0 + number), {"units": "K"})},
            {
                "lat": (("nj", "ni"), lat, {"units": "degrees_north"}),
                "lon": (("nj", "ni"), lon, {"units": "degrees_east"}),
                "time": ("time", [3600.0 * number], {"units": "seconds since 2020-01-01"}),
            },
            {"processing_level": "L2P"},
        )
        data["sst"].attrs["coordinates"] = "lat lon"
        path = folder / f"swath-{number:03d}.nc"
        data.to_netcdf(path, engine="h5netcdf")
        made.append(str(path))
    return made


def test_granules_of_swaths_are_looked_into_by_the_same_crew(
    tmp_path: Path, in_crews: list[list[str]], monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    paths = swaths(tmp_path / "swaths", 12)
    with open_catalog(tmp_path / "swaths") as alone:
        wanted = alone.indexes["swaths"].variables["sst"]
        assert not in_crews, "few are looked into here"
        ledger_file = alone.ledger._path
    assert ledger_file is not None
    ledger_file.unlink()
    monkeypatch.setattr(recall, "_SAMPLE", 3)
    opened.clear()
    told: list[tuple[int, int]] = []
    job = Job()
    job.progress = lambda *now: told.append(now)  # type: ignore[method-assign]
    with open_catalog(tmp_path / "swaths", job) as library:
        found = library.indexes["swaths"].variables["sst"]
        assert len(in_crews) == 2
        assert len(opened) == 3
        assert found.axis.labels.tolist() == wanted.axis.labels.tolist()
        assert [found.pieces.file(n) for n in range(12)] == paths
        assert told[-1] == (12, 12)
        assert told == sorted(told)
    opened.clear()
    with open_catalog(tmp_path / "swaths"):
        assert len(opened) == 1, "one tells what all have in common"


def test_only_what_is_known_is_opened(tmp_path: Path, opened: list[str]) -> None:
    paths = swaths(tmp_path / "swaths", 6)
    with Ledger(ledger.ledger_path(LEDGER)) as kept:
        assert len(list(Recall(kept, OpenFiles()).granules(paths[:4]))) == 4
    opened.clear()
    with open_catalog(tmp_path / "swaths", known_only=True) as library:
        assert len(library.indexes["swaths"].variables["sst"].axis) == 4
        assert not library.problems
        assert opened == ["swath-000.nc"], "one tells what all have in common"
    with pytest.raises(Unreadable):
        open_catalog(paths[5], known_only=True)


# --- a service that answers meanwhile --------------------------------------------------------------------------------


class Gate:
    """Lets some files be read, and the others when it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lets: int) -> None:
        self.read: list[str] = []
        self.lets = lets
        self.open = threading.Event()
        before = table.read_row

        def read_row(path: Path, files: OpenFiles) -> object:
            if len(self.read) >= self.lets:
                self.open.wait(30)
            self.read.append(path.name)
            return before(path, files)

        monkeypatch.setattr(table, "read_row", read_row)
        monkeypatch.setattr(ledger, "_BATCH", 1)
        monkeypatch.setattr(growing.Growing, "_is_too_long", lambda self, _until: self._done >= FIRST)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(monkeypatch, FIRST)
    yield made
    made.open.set()


QUERIES = (AcquisitionsQuery("all<"), FilesQuery("all<", "sss"), CatalogQuery())


def test_a_service_answers_with_what_it_has_and_says_so(folder: Path, gate: Gate) -> None:
    with (
        LocalService(folder, grows=True) as service,
        serve_background(build_app(service)) as server,
        HttpService(server.url) as remote,
    ):
        for answering in (service, remote):
            for query in QUERIES:
                growth = answering.answer(query).growth
                assert growth is not None
                assert (growth.listed, growth.done, growth.total) == (FIRST, FIRST, COUNT)
            assert len(answering.answer(QUERIES[0])) == FIRST
            assert len(answering.answer(QUERIES[1]).files) == FIRST
            assert list(answering.answer(QUERIES[2]).indexes) == ["S1AWV.v3<"]
            swell = "S1A_WV_OCN__2S_ocean_swell_spectra_s1a"
            picture = answering.answer(QuicklookQuery("S1AWV.v3<", swell, Date("20200615120000")))
            assert "the list is still growing: 5 of 12 files were looked into" in picture.note
        with pytest.warns(UserWarning, match="the list is still growing: 5 of 12 files"):
            assert len(Datavoresentinel1(service).getFileList()) == FIRST
        gate.open.set()
        service.settle()
        for answering in (service, remote):
            assert [answering.answer(query).growth for query in QUERIES] == [None] * 3
            assert len(answering.answer(QUERIES[0])) == COUNT
            assert list(answering.answer(QUERIES[2]).indexes) == ["S1AWV.v3<", "S1BWV.v3<"]
        assert len(Datavoresentinel1(service).getFileList()) == COUNT
    assert len(gate.read) == COUNT, "none was read twice"
    with LocalService(folder) as whole:
        assert_same(service.answer(QUERIES[0]), whole.answer(QUERIES[0]))


def test_the_list_grows_before_it_is_whole(folder: Path, gate: Gate) -> None:
    shown: list[int] = []
    before = LocalService._take

    class Noting(LocalService):
        def _take(self, library: object) -> None:
            before(self, library)  # type: ignore[arg-type]
            shown.append(len(self.answer(QUERIES[0])))

    gate.open.set()
    with Noting(folder, grows=True) as service:
        service.settle()
    assert shown == [8, COUNT], "half as many again as were listed, and all"


def test_a_service_that_is_closed_gives_up_and_the_next_goes_on(folder: Path, gate: Gate) -> None:
    service = LocalService(folder, grows=True)
    service._growing._stopped.set()  # type: ignore[union-attr]
    gate.open.set()
    service.close()
    assert len(gate.read) < COUNT
    assert service.answer(QUERIES[0]).growth is not None, "it is not whole, and says so"
    with LocalService(folder) as again:
        assert len(again.answer(QUERIES[0])) == COUNT
    assert len(gate.read) == COUNT


def test_programs_wait_for_the_whole_list(folder: Path, gate: Gate) -> None:
    gate.open.set()
    quick = connect(str(folder), grows=True)
    assert connect(str(folder)) is quick
    assert len(quick.answer(QUERIES[0])) == COUNT
    quick.close()  # type: ignore[attr-defined]


def test_a_job_follows_and_cancels_an_opening(folder: Path, gate: Gate) -> None:
    gate.open.set()
    job = Job(lambda done, _total: job.cancel() if done >= FIRST else None)
    with pytest.raises(Cancelled):
        LocalService(folder, job=job)
    assert (job.done, job.total) == (FIRST, COUNT)
    LocalService(folder).close()
    assert len(gate.read) == COUNT


def test_the_viewer_says_that_the_list_grows_and_grows_with_it(folder: Path, gate: Gate) -> None:
    with LocalService(folder, grows=True) as service:
        viewer = Sentinel1Viewer(service)
        try:
            assert len(viewer.waves.flock) == FIRST
            assert "the list is still growing: 5 of 12 files were looked into" in viewer._status.value
            assert len(viewer.satellite.options) == 1
            gate.open.set()
            service.settle()
            viewer.growth.look()
            assert len(viewer.waves.flock) == COUNT
            assert "growing" not in viewer._status.value
            assert [index for _, index in viewer.satellite.options] == ["", "S1AWV.v3<", "S1BWV.v3<"]
            assert viewer.satellite.value == ""
        finally:
            viewer.close()


def test_the_command_line_tells_how_far_it_is(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Service:
        told = iter([Growth(5, 5, 120, 10.0), Growth(5, 90, 120, 10.0), None])

        @property
        def growth(self) -> Growth | None:
            return next(self.told)

    class Now(cli._Line):
        every = 0.0

        def __init__(self) -> None:
            super().__init__()
            self._next = 0.0

    monkeypatch.setattr(cli, "_Line", Now)
    monkeypatch.setattr(cli.time, "sleep", lambda _seconds: None)
    cli._tell_growth(Service())  # type: ignore[arg-type]
    assert capfd.readouterr().err.splitlines() == [
        "datavore: 5 of 120 files were looked into, 10 a second, 12 s left; those are served",
        "datavore: 90 of 120 files were looked into, 10 a second, 3 s left; those are served",
        "datavore: all files are listed",
    ]


def test_the_server_tells_it_in_a_header(folder: Path, gate: Gate) -> None:
    import requests

    with LocalService(folder, grows=True) as service, serve_background(build_app(service)) as server:
        told = json.loads(requests.get(server.url + "/config/", timeout=10).headers["Datavore-Growth"])
        assert {name: told[name] for name in ("listed", "done", "total")} == {"listed": 5, "done": 5, "total": 12}
        gate.open.set()
        service.settle()
        assert "Datavore-Growth" not in requests.get(server.url + "/config/", timeout=10).headers
