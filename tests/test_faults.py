"""A server that misbehaves in every way of its own, on a raw socket: each is a typed error, in time and in bounds."""

from __future__ import annotations

import email.utils
import gzip
import logging
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from test_wire import png

from datavore_widgets import errors
from datavore_widgets.client.http import HttpService
from datavore_widgets.protocol import arrays
from datavore_widgets.protocol.geometry import BBox, Point
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import (
    Canvas,
    CatalogQuery,
    DataQuery,
    FilesQuery,
    MapQuery,
    SeriesQuery,
    Source,
)
from datavore_widgets.protocol.times import Date

BOX = BBox(0, 0, 10, 10)
SOURCE = Source("a", "b", Date("20120815000000"))
MAP = MapQuery(SOURCE, Canvas(BOX))
Act = Callable[[socket.socket], None]


class FaultServer:
    """Answers its n-th connection with the n-th act, and later ones with the last; counts what is asked."""

    def __init__(self, *acts: Act) -> None:
        self._acts = acts
        self.requests: list[str] = []
        self._stop = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            if self._stop.is_set():
                connection.close()
                return
            act = self._acts[min(len(self.requests), len(self._acts) - 1)]
            self.requests.append("")
            thread = threading.Thread(target=self._serve, args=(connection, act, len(self.requests) - 1), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, act: Act, number: int) -> None:
        with connection:
            try:
                asked = b""
                while b"\r\n\r\n" not in asked:
                    more = connection.recv(65536)
                    if not more:
                        return
                    asked += more
                self.requests[number] = asked.decode("latin-1")
                act(connection)
            except OSError:
                pass

    def __enter__(self) -> FaultServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        # Closing alone does not wake who waits in accept().
        with socket.socket() as knock:
            knock.connect_ex(("127.0.0.1", self.port))
        self._listening.close()
        for thread in [self._accepting, *self._threads]:
            thread.join(10)


def raw(*pieces: bytes, pause: float = 0.0) -> Act:
    """Send these bytes as they are, then close."""

    def act(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)

    return act


def reply(body: bytes, kind: str = "image/png", status: str = "200 OK", length: int | None = -1, **headers: str) -> Act:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close"]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == -1 else length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def reset(connection: socket.socket) -> None:
    """Close so that the other side sees a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def reset_in_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\n" + png())
    time.sleep(0.05)
    reset(connection)


def drip(start: bytes, drop: bytes) -> Act:
    def act(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(drop)
            time.sleep(0.02)

    return act


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
    block = bytes(1 << 20)
    for _ in range(10_000):
        connection.sendall(block)


def problem(slug: str, status: int, detail: str) -> bytes:
    return b'{"type":"%s","status":%d,"detail":"%s","suggestions":["x"]}' % (slug.encode(), status, detail.encode())


GOOD = reply(png())
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def ask(server: FaultServer, query=MAP, **options):
    with HttpService(server.url, **{"timeout": (2.0, 10.0), **options}) as service:
        return service.answer(query)


def test_a_good_answer_is_one(caplog):
    with FaultServer(GOOD) as server:
        assert ask(server).png == png()
    assert len(server.requests) == 1


def test_chunks_without_a_length_are_read():
    body = png()
    pieces = (CHUNKED, b"%x\r\n" % 10, body[:10], b"\r\n%x\r\n" % (len(body) - 10), body[10:], b"\r\n0\r\n\r\n")
    with FaultServer(raw(*pieces)) as server:
        assert ask(server).png == body


# --- no connection, or a broken one ---------------------------------------------------------------------------------


def test_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(errors.Unreachable, match="refused"):
        HttpService(f"http://127.0.0.1:{port}", timeout=(1, 10)).answer(MAP)


def test_unknown_host():
    with pytest.raises(errors.Unreachable):
        HttpService("http://no-such-host.invalid", timeout=(1, 10)).answer(MAP)


def test_a_full_backlog_is_a_black_hole():
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        fill = [socket.socket() for _ in range(8)]
        try:
            for sock in fill:
                sock.setblocking(False)
                sock.connect_ex(hole.getsockname())
            with pytest.raises((errors.Unreachable, errors.DeadlineExceeded)):
                HttpService(f"http://127.0.0.1:{hole.getsockname()[1]}", timeout=(0.3, 1.0)).answer(MAP)
        finally:
            for sock in fill:
                sock.close()


@pytest.mark.parametrize("act", [reset, reset_in_body, raw()], ids=["before", "in the body", "closed at once"])
def test_a_broken_connection_is_tried_thrice(act):
    with FaultServer(act) as server, pytest.raises(errors.Unreachable, match="broke"):
        ask(server)
    assert len(server.requests) == 3


@pytest.mark.parametrize("act", [reset, reset_in_body, reply(b"", status="503 Busy", Retry_After="0")])
def test_a_fault_that_passes_is_not_seen(act):
    with FaultServer(act, act, GOOD) as server:
        assert ask(server).png == png()
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "act",
    [
        reply(png(), length=len(png()) + 10),
        raw(CHUNKED, b"ff\r\n", png()),
        raw(CHUNKED, b"%x\r\n" % len(png()), png(), b"\r\n"),
        raw(CHUNKED, b"zz\r\n", png()),
    ],
    ids=["longer length", "chunk cut short", "no last chunk", "no chunk length"],
)
def test_a_reply_shorter_than_it_says_is_no_answer(act):
    with FaultServer(act) as server, pytest.raises((errors.BadReply, errors.Unreachable)):
        ask(server)
    assert len(server.requests) <= 3


@pytest.mark.parametrize("cut", [1, 12, len(png()) - 8])
def test_a_picture_cut_short_without_a_length_is_no_answer(cut):
    with (
        FaultServer(raw(HEAD + b"\r\n" + png()[:-cut])) as server,
        pytest.raises(errors.BadReply, match=r"cut short|no PNG"),
    ):
        ask(server)


def test_no_http_at_all():
    with FaultServer(raw(b"SSH-2.0-OpenSSH_9.9\r\n")) as server, pytest.raises(errors.BadReply, match="HTTP"):
        ask(server)


# --- slow, endless, swollen ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        drip(b"HTTP/1.1 200 OK\r\n", b"X-Drop: 1\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nX-Drop: ", b"1"),
        drip(HEAD + b"Content-Length: 100000\r\n\r\n", b"1"),
        drip(HEAD + b"\r\n", b"1"),
        drip(CHUNKED, b"1\r\n1\r\n"),
        lambda connection: time.sleep(1.5),
    ],
    ids=["headers", "one header", "body", "body without a length", "chunks", "silence"],
)
def test_a_drip_ends_at_the_deadline(act):
    with FaultServer(act) as server:
        started = time.monotonic()
        with pytest.raises(errors.DeadlineExceeded, match="in time"):
            ask(server, timeout=(1.0, 1.0))
        assert 0.8 <= time.monotonic() - started <= 2.5  # the deadline is 1 s; the rest is a busy machine's


def test_the_deadline_is_one_for_all_tries():
    with FaultServer(lambda connection: time.sleep(0.4)) as server:
        started = time.monotonic()
        with pytest.raises((errors.DeadlineExceeded, errors.Unreachable)):
            ask(server, timeout=(1.0, 0.6), tries=99)
        assert time.monotonic() - started < 2.5


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize(
    "act",
    [flood, reply(b"x", length=10**10), reply(gzip.compress(bytes(200_000_000)), Content_Encoding="gzip")],
    ids=["endless", "10 GB announced", "gzip bomb"],
)
def test_more_than_the_cap_is_not_taken(act):
    with FaultServer(act) as server:
        before = peak()
        with pytest.raises(errors.TooLarge, match="32 MB"):
            ask(server)
        assert peak() - before < 64 << 20
    assert len(server.requests) == 1


def test_a_cap_of_ones_own():
    with FaultServer(reply(bytes(2000), "application/msgpack")) as server, pytest.raises(errors.TooLarge):
        ask(server, DataQuery(SOURCE, BOX), max_bytes=1000)


def test_broken_compression():
    with FaultServer(reply(b"not gzip", Content_Encoding="gzip")) as server, pytest.raises(errors.BadReply):
        ask(server)


def test_cancelling_ends_a_drip():
    job = Job()
    with FaultServer(drip(HEAD + b"\r\n", b"1")) as server, HttpService(server.url) as service:
        timer = threading.Timer(0.2, job.cancel)
        timer.start()
        with pytest.raises(errors.Cancelled):
            service.answer(MAP, job)
        timer.join()


# --- answers that are none -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "act"),
    [
        (MAP, reply(b"<html><script>alert(1)</script>", "text/html")),
        (MAP, reply(png(), "image/jpeg")),
        (MAP, reply(b"GIF89a" + bytes(50))),
        (MAP, reply(png(9000, 9000))),
        (MAP, reply(b"", status="204 No Content")),
        (DataQuery(SOURCE, BOX), reply(b"\x81", "application/msgpack")),
        (DataQuery(SOURCE, BOX), reply(arrays.pack({"lon": 1}), "application/msgpack")),
        (CatalogQuery(), reply(b"<h1>It works!</h1>", "text/html")),
        (CatalogQuery(), reply(b'{"a": ', "application/json")),
        (CatalogQuery(), reply(b"[]", "application/json")),
        (SeriesQuery("a", "b", Point(1, 2)), reply(b'{"res": [[1, 2, 3]]}', "application/json")),
        (FilesQuery("a", "b"), reply(b'{"files": []}', "application/json")),
    ],
)
def test_what_is_no_answer_is_refused_once(query, act):
    with FaultServer(act) as server, pytest.raises(errors.BadReply):
        ask(server, query)
    assert len(server.requests) == 1


def test_nan_in_json_is_missing():
    with FaultServer(reply(b'{"res": [[0, NaN], [1, 2]]}', "application/json")) as server:
        values = ask(server, SeriesQuery("a", "b", Point(1, 2))).values
    assert values[1] == 2
    assert values[0] != values[0]


# --- statuses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "tries"), [(500, 1), (400, 1), (401, 1), (403, 1), (429, 3), (502, 3), (503, 3), (504, 3)]
)
def test_a_failing_server_is_told_with_its_status(status, tries):
    act = reply(b"<h1>oops</h1>", "text/html", f"{status} X", Retry_After="0")
    with FaultServer(act) as server, pytest.raises(errors.ServerError, match=str(status)) as raised:
        ask(server)
    assert raised.value.code == status
    assert len(server.requests) == tries


@pytest.mark.parametrize(
    "after",
    [
        "0",
        "999999",
        "soon",
        "-1",
        "",
        email.utils.format_datetime(email.utils.localtime()),
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ],
)
def test_retry_after_is_bounded(after):
    """The wait that is asked for is capped, and the deadline wins over it: then the failure is told at once."""
    with FaultServer(reply(b"", status="503 Busy", Retry_After=after)) as server:
        started = time.monotonic()
        with pytest.raises(errors.ServerError):
            ask(server, timeout=(1.0, 2.0))
        assert time.monotonic() - started < 4.0


def test_a_busy_server_is_asked_nothing_that_nobody_waits_for():
    """It is not asked again either, for as long as it said; what somebody waits for is asked all the same."""
    ahead = Job()
    ahead.ahead = True
    busy = reply(b"", status="429 Busy", Retry_After="999999")
    with FaultServer(busy, reply(png(4, 4), datavore_bbox="0,0,10,10")) as server, HttpService(server.url) as service:
        for _ in range(3):
            with pytest.raises(errors.ServerError) as raised:
                service.answer(MAP, ahead)
            assert raised.value.code == 429
        assert len(server.requests) == 1
        service.answer(MAP, Job())
        assert len(server.requests) == 2


@pytest.mark.parametrize(("status", "tries"), [(429, 1), (503, 1), (502, 1)])
def test_what_nobody_waits_for_is_tried_once(status, tries):
    ahead = Job()
    ahead.ahead = True
    act = reply(b"", status=f"{status} X", Retry_After="0")
    with FaultServer(act) as server, HttpService(server.url) as service:
        for number in (1, 2):
            with pytest.raises(errors.ServerError):
                service.answer(MAP, ahead)
            assert len(server.requests) == number * tries


def test_a_problem_is_raised_as_what_it_is():
    body = problem("no-data", 404, "no time is exactly 2012")
    with (
        FaultServer(reply(body, "application/problem+json", "404 X")) as server,
        pytest.raises(errors.NoData, match=r"^no time is exactly 2012$") as raised,
    ):
        ask(server)
    assert raised.value.suggestions == ("x",)
    assert len(server.requests) == 1


# --- redirects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{canary}/",
        "http://127.0.0.1:{canary}/",
        "//127.0.0.1:{canary}/",
        "http://localhost:{canary}/",
        "http://[::1]:{canary}/",
        "http://user@127.0.0.1:{port}/",
        "http://2130706433:{canary}/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1:{canary}/",
        "http://127.0.0.1:{port}@127.0.0.1:{canary}/",
    ],
)
def test_a_redirect_to_elsewhere_is_not_followed(target):
    with FaultServer(GOOD) as canary:
        server = FaultServer(reply(b""))
        where = target.format(canary=canary.port, port=server.port)
        server._acts = (reply(b"", status="302 Found", Location=where),)
        with server, pytest.raises(errors.BadReply, match="another host"):
            ask(server)
        assert len(server.requests) == 1
        assert canary.requests == []


def test_a_redirect_on_the_same_host_is_followed_thrice_at_most():
    moved = reply(b"", status="302 Found", Location="/elsewhere")
    with FaultServer(moved, GOOD) as server:
        assert ask(server).png == png()
        assert server.requests[1].startswith("GET /elsewhere ")
    with FaultServer(moved) as server, pytest.raises(errors.BadReply, match="3 times"):
        ask(server)
    assert len(server.requests) == 4


# --- what must not be told -----------------------------------------------------------------------------------------


def test_credentials_are_sent_and_never_shown(caplog):
    caplog.set_level(logging.DEBUG)
    with FaultServer(reply(b"", status="401 X")) as server:
        service = HttpService(f"http://ann:sw0rdfish%40@127.0.0.1:{server.port}/root/")
        with pytest.raises(errors.ServerError) as raised:
            service.answer(MAP)
    assert "Authorization: Basic YW5uOnN3MHJkZmlzaEA=" in server.requests[0]
    shown = caplog.text + repr(service) + repr(raised.value) + service.root
    assert "sw0rdfish" not in shown
    assert "ann" not in shown
    assert "/root/a/b/" in caplog.text


@pytest.mark.parametrize(
    "root", ["", "ftp://x/", "http://", "https:///x", "example.org", "http://x/?y=1", "http://x/#y", "http://x:port/"]
)
def test_what_is_no_address_is_refused(root):
    with pytest.raises(errors.InvalidValue, match="address"):
        HttpService(root)


def test_cookies_are_not_kept():
    with FaultServer(reply(png(), Set_Cookie="a=b; Path=/")) as server, HttpService(server.url) as service:
        service.answer(MAP)
        service.answer(MAP)
    assert not any("Cookie" in request for request in server.requests)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    until = time.monotonic() + 5
    while any(thread.name.startswith("datavore-") for thread in threading.enumerate()):
        assert time.monotonic() < until, threading.enumerate()
        time.sleep(0.01)
