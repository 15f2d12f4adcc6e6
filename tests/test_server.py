"""The server's own manners: hosts, methods, failures, its documents."""

from __future__ import annotations

import http.client
import logging
import re
import socket
import threading
import time

import pytest
import requests

from datavore_widgets import __version__, errors
from datavore_widgets.client.http import HttpService
from datavore_widgets.protocol import wire
from datavore_widgets.protocol.answers import Catalog, FileList
from datavore_widgets.protocol.job import Job
from datavore_widgets.protocol.queries import CatalogQuery, FilesQuery
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background


class Failing:
    """Knows its catalogue, and fails at everything else with a secret in the message."""

    def answer(self, query, job=None):
        if isinstance(query, CatalogQuery):
            return Catalog({})
        raise RuntimeError("the password is sw0rdfish")


@pytest.fixture(scope="module")
def server():
    with serve_background(build_app(Failing())) as running:
        yield running


def get(server, path="/config/", **options):
    return requests.get(server.url + path, timeout=10, **options)


def test_every_reply_says_who_answers(server):
    for path in ("/config/", "/nothing/", "/docs", "/a/b/1,2/2001,2002/ts"):
        assert get(server, path).headers["Datavore-Server"] == f"datavore_widgets/{__version__}"
        assert get(server, path).headers["X-Content-Type-Options"] == "nosniff"
        assert (
            "Access-Control-Allow-Origin" not in get(server, path, headers={"Origin": "https://evil.example"}).headers
        )


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:{port}", "localhost", "LOCALHOST:{port}", "[::1]", "[::1]:80", "[0:0::1]"]
)
def test_loopback_answers_by_its_own_names(server, host):
    port = server.url.rpartition(":")[2]
    assert get(server, headers={"Host": host.format(port=port)}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", "127.0.0.1@evil", "[::2]"],
)
def test_loopback_answers_to_no_other_name(server, host):
    answer = get(server, headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["type"] == "invalid-value"


def test_two_hosts_are_none(server):
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=10)
    connection.putrequest("GET", "/config/", skip_host=True)
    connection.putheader("Host", "127.0.0.1")
    connection.putheader("Host", "evil.example")
    connection.endheaders()
    assert connection.getresponse().status in (400, 421)
    connection.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_get_is_answered(server, method):
    answer = requests.request(method, server.url + "/config/", timeout=10)
    assert answer.status_code == 405
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/config/", "/docs", "/openapi.json", "/nothing/", "/jobs/0123456789abcdef/"])
def test_head_is_answered_as_get_is_without_the_body(server, path):
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=10)
    told = []
    for method in ("GET", "HEAD", "GET"):  # on one connection: bytes too many would be taken for the next reply
        connection.request(method, path)
        reply = connection.getresponse()
        headers = {name: value for name, value in reply.getheaders() if name.lower() != "date"}
        told.append((reply.status, headers, reply.read()))
    connection.close()
    assert told[0][:2] == told[1][:2]
    assert told[0] == told[2]
    assert int(told[1][1]["content-length"]) == len(told[0][2]) > 0
    assert told[1][2] == b""


def test_a_failure_tells_the_log_and_not_the_world(server, caplog):
    with caplog.at_level(logging.ERROR):
        answer = get(server, "/a/b/1,2/2001,2002/ts")
    assert answer.status_code == 500
    assert answer.json()["type"] == "server-error"
    assert "sw0rdfish" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "sw0rdfish" in caplog.text


@pytest.mark.parametrize("name", ["", "short", "../../etc/passwd", "0" * 65, "G" * 16])
def test_a_jobs_name_is_hexadecimal(server, name):
    assert get(server, "/a/b/1,2/2001,2002/ts", params={"job": name}).status_code == 422


def test_the_document_describes_the_real_paths(server):
    paths = get(server, "/openapi.json").json()["paths"]
    assert set(wire.PATHS.values()) | {"/jobs/{job}/", "/jobs/{job}/part/"} == set(paths)
    assert len({methods["get"]["operationId"] for methods in paths.values()}) == len(paths)
    for path, methods in paths.items():
        (told,) = methods.values()
        named = {parameter["name"] for parameter in told["parameters"] if parameter["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path)), path
        assert told["summary"]
        assert all(parameter["description"] for parameter in told["parameters"])
        word = path.strip("/").rpartition("/")[2]
        elsewhere = {"job"} | {"map": {"sm", "mapper_id"}, "data": {"sm"}}.get(word, set())  # with a lapse
        options = {p["name"] for p in told["parameters"] if p["in"] == "query"} - elsewhere
        if word in wire.PATHS:
            example = {p["name"]: str(p.get("example", "")) for p in told["parameters"]}
            assert wire.read(path.format(**example), "".join(f"{name}=&" for name in options))


def test_the_page_of_documents_loads_nothing(server):
    page = get(server, "/docs").text
    assert "/map/" in page
    assert not re.search(r"<script|<link|<img|src=|https?://", page)
    assert get(server, "/").text == page


def test_a_closed_connection_gives_the_question_up():
    started, gave_up = threading.Event(), threading.Event()

    class Patient:
        def answer(self, query, job=None):
            started.set()
            for _ in range(2000):
                if job.cancelled:
                    gave_up.set()
                    job.check()
                threading.Event().wait(0.005)
            return FileList(())

    with serve_background(build_app(Patient())) as running:
        port = int(running.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(b"GET /a/b/1,2/2001,2002/ts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert started.wait(10)
        assert gave_up.wait(10)


def test_a_name_is_that_of_the_question_that_was_asked_with_it_last():
    """As after a connection that broke: the first question is given up when the second is asked already."""
    name = "0123456789abcdef"
    started, given_up, second, done = threading.Event(), threading.Event(), threading.Event(), threading.Event()

    class Twice:
        def answer(self, query, job=None):
            if not started.is_set():
                started.set()
                assert given_up.wait(10)
                return FileList(())
            job.progress(3, 7)
            second.set()
            assert done.wait(10)
            return FileList(())

    with serve_background(build_app(Twice(), workers=2)) as running:
        address = ("127.0.0.1", int(running.url.rpartition(":")[2]))
        asking = f"GET /a/b/1,2/2001,2002/ts?job={name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        with (
            socket.create_connection(address, timeout=10) as first,
            socket.create_connection(address, timeout=10) as again,
        ):
            first.sendall(asking)
            assert started.wait(10)
            again.sendall(asking)
            assert second.wait(10)
            given_up.set()
            assert first.recv(100).startswith(b"HTTP/1.1 200")
            told = get(running, f"/jobs/{name}/")
            assert (told.status_code, told.json()["done"]) == (200, 3)
            done.set()
            assert again.recv(100).startswith(b"HTTP/1.1 200")
        assert get(running, f"/jobs/{name}/").status_code == 404


@pytest.mark.parametrize("tells", [True, False])
def test_an_answer_may_take_as_long_as_it_tells_that_it_comes_nearer(tells):
    class Slow:
        def answer(self, query, job=None):
            if isinstance(query, CatalogQuery):
                return Catalog({})
            until = time.monotonic() + 5.0
            while time.monotonic() < until:
                job.check()
                job.progress(int(1000 * (5.0 - (until - time.monotonic()))) if tells else 1, 5000)
                threading.Event().wait(0.02)
            return FileList(("a.nc",))

    with serve_background(build_app(Slow())) as running, HttpService(running.url, timeout=(5, 2.5), tries=1) as client:
        client.answer(CatalogQuery())
        query = FilesQuery("a", "b")
        if tells:
            assert client.answer(query, Job()).files == ("a.nc",)
        else:
            with pytest.raises(errors.DeadlineExceeded):
                client.answer(query, Job())


def test_closing_the_server_gives_up_what_it_does():
    started, gave_up = threading.Event(), threading.Event()

    class Patient:
        def answer(self, query, job=None):
            started.set()
            for _ in range(4000):
                if job.cancelled:
                    gave_up.set()
                    job.check()
                threading.Event().wait(0.005)
            return FileList(())

    running = serve_background(build_app(Patient()))
    asking = threading.Thread(
        target=lambda: requests.get(running.url + "/a/b/1,2/2001,2002/ts", timeout=30).status_code
    )
    asking.start()
    assert started.wait(10)
    running.close()
    assert gave_up.wait(10)
    asking.join(10)
    assert not asking.is_alive()


def test_a_taken_port_is_said(server):
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(errors.InvalidValue, match="another port"):
        serve_background(build_app(Failing()), port=port)
