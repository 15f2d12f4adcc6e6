"""Compiled loops are loaded late, by a thread, and numpy does without them where they cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from datavore_widgets.service import compiled

KERNELS = """
    import numpy as np
    from datavore_widgets.service.compiled import compiled

    @compiled
    def total(values):
        found = 0
        for value in values:
            found += value
        return found

    def compiling(kind):
        total(np.zeros(1, dtype=kind))
        yield
"""

ASK = """
    import sys
    import numpy as np
    from datavore_widgets.service import compiled
    for kind in sys.argv[1:]:
        found = compiled.wait("some_kernels", kind)
        values = np.arange(5).astype(kind)
        print(kind, found and found.total(values), found and sum(found.total.stats.cache_hits.values()))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a module of kernels and a program that asks for them."""
    (tmp_path / "some_kernels.py").write_text(textwrap.dedent(KERNELS))
    (tmp_path / "ask.py").write_text(textwrap.dedent(ASK))
    return tmp_path


def started(place: Path, *kinds: str, **environment: str) -> subprocess.Popen[str]:
    root = str(Path(compiled.__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": root, "NUMBA_CACHE_DIR": str(place / "cache"), **environment}
    command = [sys.executable, "-B", str(place / "ask.py"), *kinds]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> str:
    out, error = process.communicate(timeout=240)
    assert process.returncode == 0, error
    return out


def test_a_second_process_compiles_nothing(place: Path) -> None:
    assert told(started(place, "i2")) == "i2 10 0\n"
    assert told(started(place, "i2", "f4")) == "i2 10 1\nf4 10.0 1\n"


def test_processes_that_compile_at_once_keep_each_its_own(place: Path) -> None:
    kinds = ["i1", "i2", "f4"]
    processes = [started(place, kind) for kind in kinds]
    assert [told(process).split()[:2] for process in processes] == [["i1", "10"], ["i2", "10"], ["f4", "10.0"]]
    assert told(started(place, *kinds)) == "i1 10 1\ni2 10 2\nf4 10.0 3\n", "none took the place of another"


def test_a_process_compiles_alone(place: Path) -> None:
    """Of two that compile one module for other types, numba's cache may keep the code of one as the other's."""
    (place / "some_kernels.py").write_text(
        textwrap.dedent("""
            import fcntl
            def compiling(kind):
                with open(__file__) as file:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        print("alone")
                yield
        """)
    )
    (place / "ask.py").write_text("from datavore_widgets.service import compiled; compiled.wait('some_kernels', 'i2')")
    assert told(started(place)) == "alone\n"


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(place: Path) -> None:
    # A file in the way of each folder that numba would keep code in: also root cannot make one there.
    (place / "__pycache__").write_text("")
    (place / "home").write_text("")
    home = str(place / "home")
    out = told(started(place, "i2", NUMBA_CACHE_DIR="", HOME=home, XDG_CACHE_HOME=home))
    assert out == "i2 10 0\n"


def test_without_numba_there_are_no_kernels(place: Path) -> None:
    (place / "numba.py").write_text("raise ImportError('no numba here')")
    assert told(started(place, "i2")) == "i2 None None\n"


def test_a_process_that_ends_soon_loads_nothing(place: Path) -> None:
    (place / "ask.py").write_text(
        textwrap.dedent("""
            import sys
            from datavore_widgets.service import compiled
            compiled._LATER = 3600
            assert compiled.kernels("some_kernels", "i2") is None
            # Were they loaded at once, they would be there by now.
            compiled._wishes["some_kernels", "i2"].done.wait(3)
            print({"numba", "some_kernels"} & {*sys.modules})
        """)
    )
    assert told(started(place)) == "set()\n"


def test_a_process_that_ends_meanwhile_lets_one_kernel_be_done_and_begins_no_other(place: Path) -> None:
    (place / "some_kernels.py").write_text(
        textwrap.dedent("""
            import sys, threading
            def compiling(kind):
                sys.begun.set()
                threading.Event().wait(0.5)
                print("one")
                yield
                print("two")
                yield
        """)
    )
    (place / "ask.py").write_text(
        textwrap.dedent("""
            import sys, threading
            from datavore_widgets.service import compiled
            sys.begun = threading.Event()
            compiled.kernels("some_kernels", "i2", soon=True)
            sys.begun.wait()
        """)
    )
    assert told(started(place)) == "one\n"
