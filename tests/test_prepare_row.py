"""The button that prepares: what it says before, while and after; here, and where a server does it."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fields
import httpx
import pytest

from datavore_widgets.client.http import HttpService
from datavore_widgets.errors import NotSupported
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.preparation import Preparation
from datavore_widgets.protocol.queries import PrepareQuery, SeriesQuery
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service.index import Variable
from datavore_widgets.service.laps import folder
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.prepare_row import PrepareRow
from datavore_widgets.widgets.timeseries_chart import TimeseriesChart

TIMES = 40
STATUS = PrepareQuery("sea", "sst")
BOX = BBox(-60, -50, 60, 50)


@pytest.fixture(params=["here", "a server"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Over a file of some times, with nothing prepared."""
    fields.field(times=TIMES).to_netcdf(tmp_path / "sea.nc", engine="h5netcdf")
    with LocalService(tmp_path / "sea.nc", laps=tmp_path / "laps") as local:
        if request.param == "here":
            yield local
            return
        with serve_background(build_app(local)) as server, HttpService(server.url) as remote:
            yield remote


async def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.01)


def plain(markup: str) -> str:
    return re.sub(r"<[^>]*>", "", markup)


def test_it_is_told_done_and_told_again(service: Any) -> None:
    before = service.answer(STATUS)
    assert before == Preparation(TIMES, 0, False, TIMES * 18 * 36 * 4, int(1.25 * TIMES * 18 * 36 * 4))
    assert not service.answer(SeriesQuery("sea", "sst", BOX)).is_prepared
    assert service.answer(PrepareQuery("sea", "sst", start=True)).ready == TIMES
    assert service.answer(STATUS).ready == TIMES
    assert service.answer(SeriesQuery("sea", "sst", BOX)).is_prepared


def test_the_button_prepares_and_the_chart_says_so(service: Any) -> None:
    async def used() -> None:
        chart = TimeseriesChart(service)
        row = PrepareRow(service, chart.view, chart)
        chart.view.bbox = [-60, -50, 60, 50]
        await until(lambda: chart.lines and chart.is_idle and row.is_idle)
        assert "Not prepared: reads 104 kB, takes up to" in plain(row._said.value)
        assert "from prepared data" not in plain(chart._head.value)
        row.start.click()
        assert (row.start.layout.display, row.stop.layout.display) == ("none", "")
        await until(lambda: row.is_idle)
        assert plain(row._said.value) == "Boxes are answered from prepared data"
        assert row._buttons.layout.display == "none"
        await until(lambda: "from prepared data" in plain(chart._head.value))
        row.close()
        chart.close()

    asyncio.run(used())


def test_it_tells_its_progress_and_can_be_cancelled(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "STEPS", 10)
    stored, go = Variable.stored, threading.Event()

    def held(variable: Variable, steps: slice, *where: Any) -> Any:
        assert steps.start < 10 or go.wait(20)
        return stored(variable, steps, *where)

    monkeypatch.setattr(Variable, "stored", held)

    async def used() -> None:
        chart = TimeseriesChart(service)
        row = PrepareRow(service, chart.view)
        await until(lambda: "Not prepared" in row._said.value)
        row.start.click()
        await until(lambda: "10 of 40 times" in plain(row._said.value))
        assert row.bar.value == 25
        row.stop.click()
        await until(lambda: "Not prepared" in row._said.value)
        assert (row.start.layout.display, row.stop.layout.display) == ("", "none")
        assert row.bar.layout.display == "none"
        go.set()
        # It goes on where it ended.
        row.start.click()
        await until(lambda: row.is_idle)
        assert plain(row._said.value) == "Boxes are answered from prepared data"
        row.close()
        chart.close()

    asyncio.run(used())


def test_a_server_for_others_prepares_for_nobody_and_says_who_can(tmp_path: Path) -> None:
    fields.field(times=4).to_netcdf(tmp_path / "sea.nc", engine="h5netcdf")
    with (
        LocalService(tmp_path / "sea.nc", laps=tmp_path / "laps", prepares=False) as local,
        serve_background(build_app(local)) as server,
        HttpService(server.url) as service,
    ):
        assert "whoever runs it can" in service.answer(STATUS).hindrance
        with pytest.raises(NotSupported, match="whoever runs it can"):
            service.answer(PrepareQuery("sea", "sst", start=True))
        row = PrepareRow(service)
        assert row._buttons.layout.display == "none"
        row.close()
    assert not (tmp_path / "laps").exists()


def test_no_page_of_a_browser_can_have_it_done(tmp_path: Path) -> None:
    fields.field(times=4).to_netcdf(tmp_path / "sea.nc", engine="h5netcdf")
    with (
        LocalService(tmp_path / "sea.nc", laps=tmp_path / "laps") as local,
        serve_background(build_app(local)) as server,
    ):
        url = f"{server.url}/sea/sst/prepare/?start=true"
        refused = httpx.get(url, headers={"Sec-Fetch-Site": "cross-site"})
        assert refused.status_code >= 400
        assert not (tmp_path / "laps").exists()
        assert httpx.get(url).json()["ready"] == 4


def test_what_cannot_be_prepared_has_no_button(tmp_path: Path) -> None:
    fields.swath().to_netcdf(tmp_path / "swath.nc", engine="h5netcdf")
    with LocalService(tmp_path / "swath.nc", laps=tmp_path / "laps") as service:
        row = PrepareRow(service)
        assert row._buttons.layout.display == "none"
        assert plain(row._said.value) == ""
        row.close()
