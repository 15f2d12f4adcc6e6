"""A real HiveServer2 for the tests: Spark's Thrift server, on loopback, with a warehouse of its own."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from java import find_java

START_SECONDS = 180


def find_spark() -> Path | None:
    """Spark's folder: `SPARK_HOME`, or the package pyspark."""
    home = os.environ.get("SPARK_HOME")
    if home:
        return Path(home) if Path(home, "bin", "spark-submit").is_file() else None
    spec = importlib.util.find_spec("pyspark")
    return Path(spec.origin).parent if spec and spec.origin else None


def missing() -> str | None:
    """Why there can be no server, and what to install; None if there can."""
    if find_spark() is None:
        return "no Spark: pip install pyspark, or set SPARK_HOME"
    if find_java() is None:
        return "no Java 17 or 21: apt-get install openjdk-17-jre-headless, or set JAVA_HOME"
    return None


def needed() -> None:
    """Leave the test out where there can be no server; under `CI=true` that is an error."""
    reason = missing()
    if reason is not None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"the tests on a real Hive server cannot run: {reason}", pytrace=False)
        pytest.skip(f"the tests on a real Hive server are left out: {reason}")


class HiveServer:
    """A server that runs until `stop`.

    Parameters
    ----------
    memory : str
        Of the Java process.
    quick : bool
        Starts fast and runs slowly; False for measuring.
    settings : dict
        Further settings of HiveServer2.
    """

    def __init__(
        self, folder: Path, *, memory: str = "1g", quick: bool = True, settings: dict[str, str] | None = None
    ) -> None:
        spark, java = find_spark(), find_java()
        assert spark is not None, missing()
        assert java is not None, missing()
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        for name in ("tmp", "warehouse", "scratch", "oplogs"):
            (folder / name).mkdir(parents=True)
        options = f"-Djava.io.tmpdir={folder}/tmp -Dderby.stream.error.file={folder}/derby.log -Duser.timezone=UTC "
        options += "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC" if quick else "-XX:+UseParallelGC"
        spark_settings = {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.warehouse.dir": f"{folder}/warehouse",
            "spark.local.dir": f"{folder}/tmp",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.ansi.enabled": "false",  # as Hive: NULL where a text is no number
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
            "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:memory:hs2;create=true",
        }
        hive_settings = {
            "hive.server2.thrift.bind.host": "127.0.0.1",
            "hive.server2.thrift.port": str(self.port),
            "hive.server2.authentication": "NONE",
            "hive.server2.enable.doAs": "false",
            "hive.server2.long.polling.timeout": "200ms",
            "hive.server2.logging.operation.level": "VERBOSE",
            "hive.exec.scratchdir": f"{folder}/scratch",
            "hive.server2.logging.operation.log.location": f"{folder}/oplogs",
            **(settings or {}),
        }
        command = [
            str(spark / "bin" / "spark-submit"),
            *("--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"),
            *("--master", "local[2]", "--driver-memory", memory, "--driver-java-options"),
            options,
            *(word for key, value in spark_settings.items() for word in ("--conf", f"{key}={value}")),
            "spark-internal",
            *(word for key, value in hive_settings.items() for word in ("--hiveconf", f"{key}={value}")),
        ]
        environment = {**os.environ, "SPARK_HOME": str(spark), "JAVA_HOME": str(java), "SPARK_LOCAL_IP": "127.0.0.1"}
        self._log = (folder / "server.log").open("wb")
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.2)
            else:
                return
        tail = (self.folder / "server.log").read_text(errors="replace")[-3000:]
        raise RuntimeError(f"the Hive server did not start:\n{tail}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and whatever it started."""
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        """End it and wait for it."""
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)
                self.process.wait()
        self._log.close()
