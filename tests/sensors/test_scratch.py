"""Folders for copies: gone with their process, or at the next start where it was killed; nobody else's is touched."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from katydid.sensors.errors import ScratchUnusable
from katydid.sensors.scratch import LOCK, WORD, scratch_folder

PREFIX = "katydid-test-"
OWNER = """
import sys
from katydid.sensors.scratch import scratch_folder
with scratch_folder("katydid-test-") as folder:
    (folder / "media").mkdir()
    (folder / "media" / "copy").write_bytes(b"sound")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's temporary folder, for this process and those that it starts."""
    for variable in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


class Owner:
    """Another process with a folder."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.folder = Path(self.process.stdout.readline().strip())

    def end(self, *, killed: bool) -> None:
        if killed:
            self.process.kill()
        self.process.communicate()


def test_a_folder_is_empty_and_gone_with_its_process(temporary: Path) -> None:
    with scratch_folder(PREFIX) as folder:
        assert [each.name for each in folder.iterdir()] == [LOCK]
        (folder / "copy").write_bytes(b"sound")
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_process_is_removed_by_the_next_start() -> None:
    owner = Owner()
    owner.end(killed=True)
    assert (owner.folder / "media" / "copy").is_file()
    told: list[str] = []
    with scratch_folder(PREFIX, told.append):
        assert not owner.folder.exists()
    assert told == ["1 scratch folder of killed processes removed"]


def test_the_folder_of_a_living_process_is_left_alone_and_ends_with_it() -> None:
    owner = Owner()
    told: list[str] = []
    with scratch_folder(PREFIX, told.append), scratch_folder(PREFIX, told.append) as inner:
        assert (owner.folder / "media" / "copy").is_file() and inner.is_dir()
    owner.end(killed=False)
    assert not owner.folder.exists()
    assert told == []


def test_what_is_not_marked_as_ours_is_left_alone(temporary: Path) -> None:
    unmarked, other, elsewhere = temporary / f"{PREFIX}a", temporary / f"{PREFIX}b", temporary / "elsewhere"
    for folder, word in ((unmarked, b""), (other, b"somebody else's\n"), (elsewhere, WORD)):
        folder.mkdir()
        (folder / LOCK).write_bytes(word)
        (folder / "thing").write_bytes(b"dear")
    (temporary / f"{PREFIX}c").mkdir()
    (temporary / f"{PREFIX}file").write_bytes(b"dear")
    if sys.platform != "win32":
        (temporary / f"{PREFIX}link").symlink_to(elsewhere, target_is_directory=True)
    before = sorted(temporary.rglob("*"))
    with scratch_folder(PREFIX):
        pass
    assert sorted(temporary.rglob("*")) == before


@pytest.mark.skipif(not hasattr(__import__("os"), "getuid"), reason="users have numbers on POSIX alone")
def test_a_folder_of_another_user_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner()
    owner.end(killed=True)
    monkeypatch.setattr("os.getuid", lambda: owner.folder.stat().st_uid + 1)
    with scratch_folder(PREFIX):
        assert owner.folder.exists()


def test_links_in_a_stale_folder_are_removed_and_not_followed(temporary: Path) -> None:
    owner = Owner()
    (temporary / "dear").mkdir()
    (temporary / "dear" / "thing").write_bytes(b"dear")
    if sys.platform != "win32":
        (owner.folder / "link").symlink_to(temporary / "dear", target_is_directory=True)
    owner.end(killed=True)
    with scratch_folder(PREFIX):
        assert not owner.folder.exists() and (temporary / "dear" / "thing").is_file()


def test_a_temporary_folder_that_cannot_be_written_says_what_to_do(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "not" / "there"))
    with pytest.raises(ScratchUnusable, match="TMPDIR") as unusable, scratch_folder(PREFIX):
        pass
    assert unusable.value.exit_code == 6
