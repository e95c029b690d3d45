"""Places where a store cannot be: each says what is wrong and what to do, and loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from katydid.streams.errors import StoreBusy, StoreFull, StoreReadOnly, StoreUnusable
from katydid.streams.sink import Arrival
from katydid.streams.store import OutcomeFilter, open_store

Make = Callable[..., Arrival]

HOLD = """
import sys
from pathlib import Path
from katydid.streams.store import open_store
with open_store(Path(sys.argv[1])):
    sys.stdout.write("open\\n")
    sys.stdout.flush()
    sys.stdin.readline()
"""


def test_a_store_in_use_names_the_file_and_the_process(tmp_path: Path) -> None:
    path = tmp_path / "detections.duckdb"
    owner = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdin is not None and owner.stdout is not None
    try:
        assert owner.stdout.readline() == "open\n"
        for read_only in (False, True):
            with pytest.raises(StoreBusy, match="wait until it has ended") as met:
                open_store(path, read_only=read_only)
            assert str(path) in str(met.value)
            assert met.value.exit_code == 5
            if sys.platform.startswith("linux"):
                assert f"pid {owner.pid}" in str(met.value)
    finally:
        owner.communicate("\n")
    with open_store(path):
        pass


def test_reading_where_no_store_is_says_so_and_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "none.duckdb"
    with pytest.raises(StoreUnusable, match="no store at"):
        open_store(path, read_only=True)
    assert not path.exists()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "detections.duckdb"
    path.write_text("these are field notes\n" * 1000)
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="cannot be used as a store") as met:
        open_store(path)
    assert met.value.exit_code == 5
    assert str(path) in str(met.value)
    assert path.read_bytes() == before


def test_a_damaged_store_is_refused(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "detections.duckdb"
    with open_store(path) as store:
        store.write([make(n, taxa=("Parus major",), at_s=n) for n in range(500)])
    damaged = bytearray(path.read_bytes())
    damaged[4096 : 4096 * 3] = bytes(4096 * 2)  # the database headers and the first block
    path.write_bytes(damaged)
    with pytest.raises(StoreUnusable):
        open_store(path)


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable):
        open_store(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no write permission bits on Windows")
def test_a_place_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    try:
        with pytest.raises(StoreReadOnly, match="may not be written") as met:
            open_store(folder / "detections.duckdb")
        assert met.value.exit_code == 6
    finally:
        folder.chmod(0o700)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is a read-only place on Linux alone")
def test_a_read_only_file_system_says_so() -> None:
    with pytest.raises((StoreReadOnly, StoreUnusable)):
        open_store(Path("/proc/katydid/detections.duckdb"))


FILL = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from conftest import arrival
from katydid.streams.errors import StoreFull
from katydid.streams.store import open_store
store = open_store(Path(sys.argv[1]))
limit = 3_000_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
kept = 0
try:
    while kept < 200:
        store.write([arrival(kept * 1000 + n, taxa=("Parus major",), at_s=kept * 1000 + n) for n in range(1000)])
        kept += 1
except StoreFull as error:
    sys.stdout.write(f"{kept}\\n{error}\\n")
    sys.stdout.flush()
    import os
    os._exit(error.exit_code)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of a file to be had")
def test_a_full_disk_says_so_and_keeps_every_batch_that_was_acknowledged(tmp_path: Path) -> None:
    """The disk is full for this process alone: it may make no file larger than three megabytes."""
    path = tmp_path / "detections.duckdb"
    tests = str(Path(__file__).resolve().parent.parent)
    filled = subprocess.run(
        [sys.executable, "-c", FILL, str(path), tests], capture_output=True, text=True, timeout=120, check=False
    )
    assert filled.returncode == StoreFull.exit_code, filled.stderr
    kept, message = filled.stdout.splitlines()[:2]
    assert int(kept) >= 1
    assert "free some space" in message
    with open_store(path) as store:
        assert store.outcomes(OutcomeFilter()).num_rows == int(kept) * 1000
        assert store.captures_without_outcome() == 0
