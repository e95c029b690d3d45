"""The pages of this repository: every file that they name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
_NAMED = re.compile(r"`((?:tests|docs|benchmarks)/[\w./-]*)`")


def wanted(page: Path) -> list[Path]:
    """What a page links to, and the files of ours that it names."""
    text = page.read_text(encoding="utf-8")
    links = [page.parent / link for link in _LINK.findall(text) if "://" not in link]
    return links + [ROOT / name for name in _NAMED.findall(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    assert [str(path) for path in wanted(page) if not path.exists()] == []


def test_every_promise_names_tests_that_hold_tests() -> None:
    lines = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8").splitlines()
    promises = [line for line in lines if line.startswith("| ") and not line.startswith("| promise")]
    assert len(promises) >= 10
    for line in promises:
        named = [ROOT / name for name in _NAMED.findall(line) if name.startswith("tests/")]
        assert named, line
        for path in named:
            files = path.rglob("test_*.py") if path.is_dir() else [path]
            assert any("\ndef test_" in file.read_text(encoding="utf-8") for file in files), path
