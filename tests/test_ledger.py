"""What was learned of files is found again: by place and time, after a change, a kill, and damage."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from datavore_widgets.errors import Unreadable
from datavore_widgets.protocol.geometry import GLOBAL, BBox
from datavore_widgets.protocol.times import Lapse
from datavore_widgets.service.ledger import Ledger, Record, Seen, ledger_path
from datavore_widgets.service.sphere import meet


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger(tmp_path / "cache" / "l.sqlite") as opened:
        yield opened


def files(folder: Path, count: int) -> list[str]:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"{number:03d}.nc").write_text(str(number))
    return [str(folder / f"{number:03d}.nc") for number in range(count)]


def tell(ledger: Ledger, records: dict[str, list[Record]]) -> None:
    ledger.remember((Seen(path, 1, 1), told) for path, told in records.items())


def paths(hits) -> list[str]:
    return [hit.path for hit in hits]


def test_boxes_are_found_as_by_brute_force(ledger):
    """Random boxes of both conventions, over the antimeridian, and with edges on it."""
    rng = np.random.default_rng(4)

    def some() -> BBox:
        west = float(rng.choice([rng.uniform(-180, 360), -180.0, 180.0, 170.0]))
        south = float(rng.uniform(-90, 80))
        width = float(rng.choice([rng.uniform(0, 300), 10.0, 0.0, 360.0]))
        east = west + width
        if (rng.random() < 0.5 and east - 360 >= -360) or east > 720:
            east -= 360
        return BBox(west, south, east, south + float(rng.uniform(0, 10)))

    boxes = [some() for _ in range(400)]
    tell(ledger, {f"/d/{n:04d}": [Record((box,))] for n, box in enumerate(boxes)})
    assert len(ledger) == len(boxes)
    for _ in range(200):
        asked = some()
        assert paths(ledger.search(asked)) == [f"/d/{n:04d}" for n, box in enumerate(boxes) if meet(box, asked)]


def test_edges_are_exact(ledger):
    """The tree keeps 32-bit numbers; what is found does not."""
    east = 10.000000001
    tell(ledger, {"/d/a": [Record((BBox(5, 0, east, 1),))]})
    assert paths(ledger.search(BBox(east, 0, 20, 1))) == ["/d/a"]
    assert not ledger.search(BBox(np.nextafter(east, 11), 0, 20, 1))


def test_lapses_hold_both_ends_and_no_time_is_any_time(ledger):
    box = (BBox(0, 0, 1, 1),)
    label = 20121231235959999
    tell(
        ledger,
        {
            "/d/last": [Record(box, label, label)],
            "/d/next": [Record(box, 20130101000000000, 20130101000000000)],
            "/d/none": [Record(box)],
            "/d/february": [Record(box, 20120230000000000, 20120301000000000)],
        },
    )
    assert paths(ledger.search(GLOBAL, Lapse.parse("20121231,20121231"))) == ["/d/none", "/d/last"]
    assert paths(ledger.search(GLOBAL, Lapse.parse("2013,2014"))) == ["/d/none", "/d/next"]
    assert paths(ledger.search(GLOBAL, Lapse.parse("201202,20120230"))) == ["/d/none", "/d/february"]
    assert len(ledger.search(GLOBAL)) == 4


def test_kinds_folders_and_places_of_several_pieces(ledger):
    two = (BBox(0, 0, 1, 1), BBox(170, 0, -170, 1))
    tell(
        ledger,
        {
            "/d/a": [Record(two, kind="one", payload=b"\x00x"), Record((), kind="one")],
            "/d0/b": [Record(two, kind="two")],
        },
    )
    assert paths(ledger.search(GLOBAL, under="/d")) == ["/d/a"]
    assert paths(ledger.search(BBox(175, 0, -175, 1), kind="two")) == ["/d0/b"]
    (hit,) = ledger.search(GLOBAL, kind="one")
    assert hit.record == Record(two, kind="one", payload=b"\x00x")


def test_only_what_changed_is_learned_again(ledger, tmp_path):
    listed = files(tmp_path / "data", 5)
    learned = []

    def learn(path: str) -> list[Record]:
        learned.append(path)
        if Path(path).read_text() == "broken":
            raise Unreadable("it is broken")
        return [Record((BBox(0, 0, 1, 1),), kind=Path(path).read_text())]

    def refreshed() -> tuple[int, int, int, int]:
        learned.clear()
        told = ledger.refresh(listed, learn, under=[str(tmp_path / "data")])
        assert len(learned) == told.learned + len(told.problems)
        return told.kept, told.learned, told.forgotten, len(told.problems)

    assert refreshed() == (0, 5, 0, 0)
    assert refreshed() == (5, 0, 0, 0)
    Path(listed[2]).write_text("other")
    assert refreshed() == (4, 1, 0, 0)
    assert learned == [listed[2]]
    assert paths(ledger.search(GLOBAL, kind="other")) == [listed[2]]
    assert not ledger.search(GLOBAL, kind="2")
    Path(listed[3]).write_text("broken")
    assert refreshed() == (4, 0, 0, 1)
    Path(listed.pop(0)).unlink()
    del listed[-1]  # it is still there, and somebody else's
    assert refreshed() == (2, 0, 1, 1)
    assert len(ledger) == 4
    os.utime(listed[0], ns=(1, 1))
    assert refreshed() == (1, 1, 0, 1)


def test_what_is_known_of_files_that_hold_nothing(ledger, tmp_path):
    (path,) = files(tmp_path / "data", 1)
    assert [records for *_, records in ledger.recall([path])] == [None]
    ledger.refresh([path], lambda _: [])
    assert [records for *_, records in ledger.recall([path, "/not/there"])] == [(), None]


def test_it_is_in_the_cache_folder_and_found_again(tmp_path):
    path = ledger_path("test-1")
    assert str(path).startswith(os.environ["XDG_CACHE_HOME"])
    with Ledger(path) as one:
        tell(one, {"/d/\udce9.nc": [Record((BBox(0, 0, 1, 1),))]})  # a name that is no UTF-8
    with Ledger(path) as again:
        assert paths(again.search(GLOBAL)) == ["/d/\udce9.nc"]


def test_a_damaged_ledger_is_begun_anew(tmp_path):
    path = tmp_path / "l.sqlite"
    path.write_bytes(b"this is no database" * 1000)
    with Ledger(path) as ledger:
        assert ledger.is_kept
        tell(ledger, {f"/d/{n}": [Record((BBox(0, 0, 1, 1),), payload=bytes(4000))] for n in range(50)})
    sqlite3.connect(path).close()
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    with Ledger(path) as ledger:
        try:
            ledger.search(GLOBAL)
        except Unreadable:
            assert not ledger.search(GLOBAL)
        tell(ledger, {"/d/new": [Record((BBox(0, 0, 1, 1),))]})
        assert "/d/new" in paths(ledger.search(GLOBAL))


def test_where_the_cache_cannot_be_written_it_lives_in_memory(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with Ledger(tmp_path / "cache" / "l.sqlite") as ledger:
        assert not ledger.is_kept
        tell(ledger, {"/d/a": [Record((BBox(0, 0, 1, 1),))]})
        assert paths(ledger.search(GLOBAL)) == ["/d/a"]


def test_a_write_that_fails_goes_on_in_memory_with_what_is_known(ledger):
    tell(ledger, {"/d/a": [Record((BBox(0, 0, 1, 1),))]})
    ledger._db.execute("PRAGMA query_only = ON")  # as on a disk that is full
    tell(ledger, {"/d/b": [Record((BBox(0, 0, 1, 1),))]})
    assert not ledger.is_kept
    assert paths(ledger.search(GLOBAL)) == ["/d/a", "/d/b"]


WRITER = """
import sys
from pathlib import Path
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.service.ledger import Ledger, Record, Seen
ledger = Ledger(Path(sys.argv[1]))
print("ready", flush=True)
for turn in range(1, 100000):
    told = [Record((BBox(0, 0, 1, 1),), payload=b"%d" % turn)] * 3
    ledger.remember([(Seen(f"/{sys.argv[2]}/{n}", turn, turn), told) for n in range(200)])
"""


def test_killed_at_any_moment_it_is_whole_and_others_go_on(tmp_path):
    """Two processes write and are killed; every file that is known is known as a whole, as one turn wrote it."""
    path = tmp_path / "l.sqlite"
    with Ledger(path) as ledger:
        for kill_after in (0.05, 0.2, 0.4):
            writers = [
                subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stdout=subprocess.PIPE)
                for name in ("a", "b")
            ]
            for writer in writers:
                assert writer.stdout is not None
                writer.stdout.readline()
            time.sleep(kill_after)  # the moment of the kill, not a wait for anything
            for writer in writers:
                writer.send_signal(signal.SIGKILL)
                writer.communicate()
            for name in ("a", "b"):
                hits = ledger.search(GLOBAL, under=f"/{name}")
                assert len(hits) in (0, 600)
                assert len({hit.record.payload for hit in hits}) <= 1
            assert ledger._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            tell(ledger, {"/c": [Record((BBox(0, 0, 1, 1),))]})
            assert len(ledger.search(GLOBAL, under="")) >= 1


def test_threads_share_one(ledger):
    errors = []

    def work(name: str) -> None:
        try:
            for turn in range(20):
                tell(ledger, {f"/{name}/{n}": [Record((BBox(0, 0, 1, 1),), turn, turn)] for n in range(10)})
                assert len(ledger.search(GLOBAL, under=f"/{name}")) == 10
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[name]) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
