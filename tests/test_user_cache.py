"""Where the user's cache folder is: what is made once is made in it, which tests/test_sample.py shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from datavore_widgets.protocol.user_cache import user_cache


@pytest.mark.parametrize(
    ("platform", "told", "expected"),
    [
        ("linux", {}, "/home/anna/.cache/datavore_widgets"),
        ("linux", {"XDG_CACHE_HOME": ""}, "/home/anna/.cache/datavore_widgets"),
        ("linux", {"XDG_CACHE_HOME": "/scratch/anna"}, "/scratch/anna/datavore_widgets"),
        ("linux", {"XDG_CACHE_HOME": "not/absolute"}, "/home/anna/.cache/datavore_widgets"),
        ("darwin", {}, "/home/anna/Library/Caches/datavore_widgets"),
        ("darwin", {"XDG_CACHE_HOME": "/scratch/anna"}, "/scratch/anna/datavore_widgets"),
        ("win32", {"LOCALAPPDATA": "/c/local"}, "/c/local/datavore_widgets/Cache"),
        ("win32", {}, "/home/anna/AppData/Local/datavore_widgets/Cache"),
    ],
)
def test_the_folder_is_the_one_of_the_system(platform, told, expected, monkeypatch):
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setenv("HOME", "/home/anna")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert user_cache() == Path(expected)
