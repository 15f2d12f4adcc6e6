"""Peers, each in an environment of its own in the user's cache folder: they are no dependencies of anything here."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from datavore_widgets.errors import Unreadable
from datavore_widgets.protocol.user_cache import made_once
from tests.benchmarks.table import Run, say

__all__ = ["DRAWING", "PeerProcess", "drawing", "python_of"]

SCRIPT = Path(__file__).with_name("peer_pictures.py")

DRAWING = {
    "datashader": ("datashader", "xarray", "zarr", "pillow"),
    "rio-tiler": ("rio-tiler", "rioxarray", "zarr"),
    "titiler-xarray": ("titiler.xarray", "zarr"),
    "xpublish-tiles": ("xpublish-tiles", "zarr"),
}
"""Who draws pictures, and what has to be installed for it."""


class Missing(Exception):
    """A peer cannot be had; the message says why."""


def python_of(name: str) -> Path:
    """The interpreter of a peer, installed now if it is not yet.

    Raises
    ------
    Missing
        When it cannot be installed.
    """

    def install(folder: Path) -> None:
        say(f"  installing {name}, once")
        venv.create(folder, with_pip=True)
        command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*command, *DRAWING[name]], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "pip failed")

    try:
        # An environment keeps no path of its own that its interpreter needs: it may be renamed once it is whole.
        return made_once(f"benchmark-{name}-{sys.version_info[1]}", install, f"the peer {name}", 1500) / "bin/python"
    except Unreadable as error:
        raise Missing(f"{name} could not be installed: {error.__cause__}") from error


class PeerProcess:
    """A peer that draws what it is told to, and says how long it took.

    Raises
    ------
    Missing
        When it cannot be installed or started.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._log = (folder / f"{name}.log").open("w+")
        self._process = subprocess.Popen(
            [python_of(name), SCRIPT, name, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._told()

    def draw(self, what: str, step: int, file: Path | None = None) -> float:
        """Milliseconds that a picture took; it is kept in a file if one is given."""
        assert self._process.stdin is not None
        work: dict[str, Any] = {"do": what, "step": step}
        self._process.stdin.write(json.dumps({**work, "file": str(file)} if file else work) + "\n")
        self._process.stdin.flush()
        return float(self._told()["ms"])

    def _told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._log.seek(0)
            raise Missing(f"{self.name} failed: {(self._log.read().strip().splitlines() or ['no reason'])[-1]}")
        told: dict[str, Any] = json.loads(line)
        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._log.close()


@contextlib.contextmanager
def drawing(run: Run) -> Iterator[dict[str, PeerProcess]]:
    """The peers that draw pictures, as many as can be had; the run is told of the others."""
    with contextlib.ExitStack() as stack:
        found = {}
        for name in DRAWING if run.with_peers else ():
            try:
                found[name] = stack.enter_context(PeerProcess(name, run.folder))
            except Missing as error:
                run.left_out.append(str(error))
                say(f"  {error}")
        yield found
