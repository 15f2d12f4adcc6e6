"""What all tests share: where real and made data are, and which tests are left out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from real import SHARED_DATA

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow tests out unless `-m` speaks of them."""
    if "slow" in (config.getoption("markexpr") or ""):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests and the processes that they start remember goes to a folder of this run, not to the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("DATAVORE_SERVICE", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _compilers_wait() -> Iterator[None]:
    """No thread loads a compiler until a test waits for it: its import sets back what warnings the test ignores."""
    from datavore_widgets.service import compiled

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "_LATER", 1e6)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data files, read-only."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data files are not at {os.path.relpath(SHARED_DATA, REPOSITORY)}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def sample_catalog(_own_cache: None) -> Path:
    """The built-in sample's catalogue file; it is made once a run."""
    from datavore_widgets.service.sample import catalog_path

    return catalog_path()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache folder: what other tests have learned is not known."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of data that are opened from now on, in their order."""
    # Late: most tests need none of it.
    from datavore_widgets.service import files

    paths: list[str] = []
    before = files._open

    def counting(path: Path, fingerprint: object) -> object:
        paths.append(path.name)
        return before(path, fingerprint)

    monkeypatch.setattr(files, "_open", counting)
    return paths
