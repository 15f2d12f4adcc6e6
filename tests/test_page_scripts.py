"""The scripts that a page begins with, remembered for the next start."""

from __future__ import annotations

from pathlib import Path

import pytest

from datavore_widgets.web import scripts
from datavore_widgets.web.scripts import Scripts


def visited(folder: Path, *addresses: str) -> Scripts:
    seen = Scripts(folder)
    for address in addresses:
        seen.sent(address, "/")
    seen.close()
    return seen


def test_what_a_page_asks_for_is_known_at_the_next_start(tmp_path: Path) -> None:
    assert visited(tmp_path, "/?index=a", "/static/a.js", "/b.js?v=1", "/c.css", "/api/kernels/1").known == ()
    assert Scripts(tmp_path).known == ("/static/a.js", "/b.js?v=1")
    # More are added, nothing is asked for twice.
    assert visited(tmp_path, "/", "/b.js?v=1", "/d.js").known == ("/static/a.js", "/b.js?v=1")
    assert Scripts(tmp_path).known == ("/static/a.js", "/b.js?v=1", "/d.js")
    assert len(list(tmp_path.iterdir())) == 1


def test_what_comes_without_a_page_or_long_after_it_is_not_what_it_begins_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visited(tmp_path, "/a.js")
    assert Scripts(tmp_path).known == ()
    monkeypatch.setattr(scripts, "_BEGINNING", 0.0)
    visited(tmp_path, "/", "/a.js")
    assert Scripts(tmp_path).known == ()


def test_other_versions_have_other_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    visited(tmp_path, "/", "/a.js")
    monkeypatch.setattr(scripts, "_version", lambda name: f"another {name}")
    assert Scripts(tmp_path).known == ()


@pytest.mark.parametrize("text", ["", "{", "{}", "3", '["//evil.example/a.js"]', '["a.js"]', "[1]"])
def test_a_file_that_is_none_of_ours_is_left_alone(tmp_path: Path, text: str) -> None:
    visited(tmp_path, "/", "/a.js")
    next(tmp_path.iterdir()).write_text(text)
    assert Scripts(tmp_path).known == ()


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    visited(tmp_path / "file", "/", "/a.js")
    assert Scripts(tmp_path / "file").known == ()
