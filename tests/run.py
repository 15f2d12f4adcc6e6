"""Set up everything that the tests need, and run them: `python3 tests/run.py [pytest's arguments]`.

Makes a virtual environment in `.venv-test/`, installs the package with what its tests need, sees to a Chromium, runs
ruff, mypy and pytest. What is there already is not made again. pytest's own closing line is the last that is said.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from chromium import find_chromium
from java import find_java

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv-test"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
IN_CI = os.environ.get("CI", "").lower() == "true"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(*command: str | Path) -> int:
    say(f"+ {' '.join(map(str, command))}")
    return subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode


def set_up_packages() -> None:
    """Once for each state of pyproject.toml and each Python; the package itself is installed as it lies here."""
    state = [sys.version, hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()]
    stamp = VENV / "state.json"
    found = json.loads(stamp.read_text()) if stamp.is_file() else []
    if found == state:
        return
    if found[:1] != state[:1]:
        venv.create(VENV, clear=True, with_pip=True)
    if run(BIN / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", ".[test]"):
        raise SystemExit("the packages could not be installed; pip says why above")
    stamp.write_text(json.dumps(state))


def set_up_program(what: str, find: Callable[[], object], package: str, tests: str) -> bool:
    """Whether a program is there, after it was installed from Debian where it is missing and may be."""
    if find() is None and shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        say(f"{what} is missing: installing it from the system's packages")
        run("apt-get", "-qq", "update")
        run("apt-get", "-qq", "install", "-y", "--no-install-recommends", package)
    if find() is not None:
        return True
    if IN_CI:
        raise SystemExit(f"{what} is missing and cannot be installed here: under CI=true that is an error")
    say(f"NOTE: {tests} are left out: there is no {what} (on Debian: apt install {package})")
    return False


def main(arguments: list[str]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs this may have an older one
        raise SystemExit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    set_up_packages()
    if not set_up_program("Chromium", find_chromium, "chromium", "the tests marked `browser`"):
        arguments = [*arguments, "-m", "not browser"]
    # Without Java these tests say by themselves that they are left out.
    set_up_program("Java", find_java, "openjdk-17-jre-headless", "the tests on a real HiveServer2")
    python = BIN / "python"
    checks = [
        run(python, "-m", "ruff", "check"),
        run(python, "-m", "ruff", "format", "--check"),
        run(python, "-m", "mypy"),
    ]
    tests = run(python, "-m", "pytest", *arguments)
    return tests or max(checks)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
