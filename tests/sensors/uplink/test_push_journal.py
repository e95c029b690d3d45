"""The journal of a push: what was acknowledged by whom, kept over kills, for one push at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from katydid.sensors.errors import SourceError
from katydid.sensors.sources.protocol import Position
from katydid.sensors.uplink.journal import PushJournal


def at(name: str, mark: str = "1-1", offset: int = 0) -> Position:
    return Position(source="folder", partition=name, mark=mark, offset=offset)


def test_what_was_acknowledged_is_known_to_the_next_push(tmp_path: Path) -> None:
    path = tmp_path / "card.katydid" / "pushed.sqlite"
    with PushJournal(path) as journal:
        assert not journal.has("c", at("a.jpg"))
        journal.acknowledge("c", at("a.jpg"))
    with PushJournal(path) as journal:
        assert journal.has("c", at("a.jpg")) and not journal.has("c", at("b.jpg"))
        assert journal.count("c") == 1


def test_another_cluster_has_not_acknowledged_it(tmp_path: Path) -> None:
    with PushJournal(tmp_path / "j") as journal:
        journal.acknowledge("one", at("a.jpg"))
        journal.flush()
        assert journal.has("one", at("a.jpg")) and not journal.has("two", at("a.jpg"))


@pytest.mark.parametrize("changed", [at("a.jpg", mark="2-1"), at("a.jpg", offset=1)])
def test_a_file_that_changed_is_sent_again_and_known_by_its_new_mark(tmp_path: Path, changed: Position) -> None:
    with PushJournal(tmp_path / "j") as journal:
        journal.acknowledge("c", at("a.jpg"))
        journal.flush()
        assert not journal.has("c", changed)
        journal.acknowledge("c", changed)
        journal.flush()
        assert journal.has("c", changed) and not journal.has("c", at("a.jpg")) and journal.count("c") == 1


def test_what_is_flushed_is_there_whatever_happens_to_the_process(tmp_path: Path) -> None:
    """As another process would find the files after a kill: a copy of them, taken while the first still has them."""
    with PushJournal(tmp_path / "j") as journal:
        for number in range(1500):  # A thousand rows are written without being asked.
            journal.acknowledge("c", at(f"{number}.jpg"))
        (tmp_path / "killed").mkdir()
        for file in tmp_path.glob("j*"):
            (tmp_path / "killed" / file.name).write_bytes(file.read_bytes())
    with PushJournal(tmp_path / "killed" / "j") as found:
        assert found.count("c") == 1000


def test_a_second_push_of_the_same_folder_is_told_so(tmp_path: Path) -> None:
    with PushJournal(tmp_path / "j"), pytest.raises(SourceError, match="another push has"):
        PushJournal(tmp_path / "j")
    PushJournal(tmp_path / "j").close()


def test_a_place_that_cannot_be_written_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceError, match="--state FILE"):
        PushJournal(tmp_path / "file" / "j")
    (tmp_path / "other").write_bytes(b"no database, and longer than the header of one would be" * 20)
    with pytest.raises(SourceError, match="--state FILE"):
        PushJournal(tmp_path / "other")


def test_what_the_first_push_said_holds_for_later_ones(tmp_path: Path) -> None:
    with PushJournal(tmp_path / "j") as journal:
        assert journal.remembered("sensor", None) is None
        assert journal.remembered("sensor", "ridge") == "ridge"
    with PushJournal(tmp_path / "j") as journal:
        assert journal.remembered("sensor", None) == "ridge"
        assert journal.remembered("sensor", "valley") == "valley"
        assert journal.remembered("sensor", None) == "valley"


def test_the_file_is_plain_sqlite_for_whoever_wants_to_look(tmp_path: Path) -> None:
    with PushJournal(tmp_path / "j") as journal:
        journal.acknowledge("c", at("night/a.jpg", mark="12-34"))
    with sqlite3.connect(tmp_path / "j") as rows:
        assert rows.execute("SELECT cluster, source, partition, mark FROM acknowledged").fetchall() == [
            ("c", "folder", "night/a.jpg", "12-34")
        ]
    rows.close()
