"""TLS on a real server: the authority and the host's name are checked, and a plain connection gets nowhere."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hive_server import HiveServer, find_java, needed

from datavore_widgets.client.frames import frame
from datavore_widgets.client.hive import HiveService
from datavore_widgets.errors import DatavoreError, Unreachable
from datavore_widgets.protocol.sql import SqlQuery

WORD = "of-the-keystore"


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A keystore for `localhost`, and its certificate in PEM."""
    java = find_java()
    assert java is not None
    store, pem = folder / f"{name}.jks", folder / f"{name}.pem"
    common = ["-alias", "hs2", "-keystore", str(store), "-storepass", WORD]
    made = ["-genkeypair", "-keyalg", "RSA", "-keysize", "2048", "-dname", "CN=localhost", "-validity", "2"]
    named = ["-ext", "san=dns:localhost", "-ext", "bc=ca:true"]
    keytool = str(java / "bin" / "keytool")
    subprocess.run([keytool, *made, *named, *common], check=True, capture_output=True)
    subprocess.run([keytool, "-exportcert", "-rfc", "-file", str(pem), *common], check=True, capture_output=True)
    return store, pem


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HiveServer, Path, Path]]:
    """A server with TLS, its certificate, and another one."""
    needed()
    folder = tmp_path_factory.mktemp("tls")
    store, pem = _certificate(folder, "ours")
    _, other = _certificate(folder, "other")
    settings = {
        "hive.server2.use.SSL": "true",
        "hive.server2.keystore.path": str(store),
        "hive.server2.keystore.password": WORD,
    }
    server = HiveServer(folder / "server", settings=settings)
    yield server, pem, other
    server.stop()


def test_tls(secured: tuple[HiveServer, Path, Path]) -> None:
    server, pem, other = secured
    query = SqlQuery("SELECT 1 AS one")

    def service(host: str, ca_cert: Path | None) -> HiveService:
        at = None if ca_cert is None else str(ca_cert)
        return HiveService(host, server.port, user="a", password="b", ca_cert=at, timeout=60 if at else 3)

    assert frame(service("localhost", pem).answer(query))["one"].tolist() == [1]
    with pytest.raises(Unreachable, match="no TLS"):
        service("localhost", other).answer(query)
    with pytest.raises(Unreachable, match="no TLS"):  # the certificate is not for this name
        service("127.0.0.1", pem).answer(query)
    with pytest.raises(DatavoreError):
        service("localhost", None).answer(query)
