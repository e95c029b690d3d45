"""The commands as a user meets them: what they print, where, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from katydid.models.engines.placeholder import placeholder_bundle
from katydid.models.manifest import BundleKind
from katydid.streams.cli import run_command
from katydid.streams.store import open_store
from katydid.streams.store.protocol import OutcomeFilter

RATE = 16000


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    placeholder_bundle(folder, name="ears", kind=BundleKind.SOUND_CLASSIFIER, sample_rate=RATE)
    placeholder_bundle(folder, name="eyes", kind=BundleKind.IMAGE_CLASSIFIER)
    return folder


def recordings(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for n in range(3):
        samples = np.random.default_rng(n).uniform(-0.3, 0.3, RATE * 2)
        soundfile.write(folder / f"20250601_21{n:02d}00.wav", samples, RATE)
    (folder / "[red]broken[bold].flac").write_bytes(b"no sound")
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """A folder that `katydid run` has identified."""
    folder = recordings(tmp_path_factory.mktemp("done") / "moor")
    assert run_command(["run", str(folder), "--models", "ears,eyes", "--models-dir", str(models), "-q"]) == 0
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[str, str]:
    assert run_command([str(word) for word in words]) == code
    output = capsys.readouterr()
    return output.out, output.err


def test_run_says_what_it_found_and_where_then_nothing_new(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recordings(tmp_path / "moor")
    words = ("run", folder, "--models", "ears,eyes", "--models-dir", models)
    out, err = said(capsys, *words)
    assert "4 captures in" in out
    assert "1 refused" in out
    assert "roofline" in out
    assert str(tmp_path / "moor.katydid" / "report.html") in out
    assert err.count("--timezone") == 1
    out, err = said(capsys, *words)
    assert "Nothing new" in out
    assert err == ""


def test_a_folder_with_nothing_to_identify_says_so_and_what_it_holds(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "notes.txt").write_text("wet feet")
    out, _ = said(capsys, "run", tmp_path / "desk", "--models-dir", models)
    assert "there is no recording or frame in it" in out
    assert "1 other file left alone" in out


def test_the_root_of_a_drive_holds_no_store_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = said(capsys, "report", Path(Path.cwd().anchor), code=5)
    assert "there is no store" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run"], 2, "FOLDER"),
        (["run", "{tmp}", "--lat", "52"], 2, "go together"),
        (["run", "{tmp}", "--media", "some"], 2, "all, best, none"),
        (["run", "{tmp}", "--min-probability", "2"], 2, "min-probability"),
        (["run", "{tmp}", "--timezone", "Mars/Olympus"], 2, "Mars/Olympus"),
        (["run", "{tmp}/nowhere"], 3, "no folder"),
        (["run", "{done}", "--models", "unicorns", "--out", "{tmp}/x"], 4, "unicorns"),
        (["run", "{done}", "--out", "{tmp}/x", "--overlap", "99"], 4, "cannot share 99 s"),
        (["report", "{tmp}"], 5, "katydid run"),
        (["query", "species", "{tmp}"], 5, "katydid run"),
        (["explain", "0123", "{done}"], 5, "0123"),
        (["unheard-of"], 2, "unheard-of"),
    ],
)
def test_errors_are_one_message_and_a_documented_code(
    words: list[str], code: int, message: str, tmp_path: Path, done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = said(capsys, *(word.format(tmp=tmp_path, done=done) for word in words), code=code)
    assert message in err
    assert "Traceback" not in err
    assert out == ""


def test_a_store_that_another_process_has_open_is_exit_5(done: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()",
         str(done.with_name("moor.katydid") / "detections.duckdb")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        command = "import sys; from katydid.streams.cli import main; main(['run', sys.argv[1]])"
        asked = subprocess.run([sys.executable, "-c", command, str(done)], capture_output=True, text=True, check=False)
        assert asked.returncode == 5
        assert "open in" in asked.stderr
    finally:
        holder.communicate(b"\n")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_place_is_exit_6_with_the_way_out(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recordings(tmp_path / "card" / "moor")
    folder.parent.chmod(0o555)
    try:
        _, err = said(capsys, "run", folder, "--models-dir", models, code=6)
        assert "--out" in err
    finally:
        folder.parent.chmod(0o755)


def test_an_output_place_that_cannot_be_a_folder_is_exit_6(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = recordings(tmp_path / "moor")
    (tmp_path / "taken").write_text("a file")
    _, err = said(capsys, "run", folder, "--models-dir", models, "--out", tmp_path / "taken" / "out", code=6)
    assert "--out" in err


def test_a_full_disk_keeps_what_is_stored_and_is_exit_6(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    folder = recordings(tmp_path / "moor")

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("katydid.streams.exports.csv.write_csv", full)
    words = ("run", folder, "--models", "ears,eyes", "--models-dir", models)
    _, err = said(capsys, *words, code=6)
    assert "No space left" in err
    assert "safe" in err
    with open_store(tmp_path / "moor.katydid" / "detections.duckdb", read_only=True) as store:
        assert sum(len(rows) for rows in store.tuples("SELECT capture_id FROM outcome")) == 4
    monkeypatch.undo()
    said(capsys, *words)
    assert (tmp_path / "moor.katydid" / "detections.csv").is_file()


def test_queries_answer_as_table_json_and_csv(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, "query", "species", done)
    assert "max confidence" in out
    for question in ("species", "activity", "latest"):
        as_json, _ = said(capsys, "query", question, done, "--json")
        as_csv, _ = said(capsys, "query", question, done, "--csv")
        objects = [json.loads(line) for line in as_json.splitlines()]
        rows = list(csv.DictReader(io.StringIO(as_csv)))
        assert len(objects) == len(rows) > 0
        assert set(objects[0]) == set(rows[0])


def test_explain_tells_every_number_and_the_gates(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, "explain", "last", done)
    for word in ("score", "probability", "prior", "posterior", "rms_dbfs", "bound", "Next best", "digest", "ears-1"):
        assert word in out
    assert "not run" in out


def test_explain_tells_which_bout_a_detection_belongs_to(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(done.with_name("moor.katydid") / "detections.duckdb", read_only=True) as store:
        bout = store.occurrences(OutcomeFilter()).to_pylist()[0]
    out, _ = said(capsys, "explain", bout["detection_ids"][0], done)
    assert "a bout of song" in out
    assert f"1 of its {bout['detections']} detections" in out
    assert bout["occurrence_id"] in out


def test_explain_tells_why_a_capture_was_refused(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(done.with_name("moor.katydid") / "detections.duckdb", read_only=True) as store:
        refused = next(iter(store.tuples("SELECT capture_id FROM outcome WHERE status = 'refused'")))[0][0]
    out, _ = said(capsys, "explain", refused, done)
    assert "refused" in out
    assert "[red]broken[bold].flac" in out  # as it is, not as markup


def test_report_and_exports_are_written_where_they_are_asked_for(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "report", done, "--out", tmp_path / "r.html")
    said(capsys, "export", "csv", done, "--out", tmp_path / "t.csv")
    said(capsys, "export", "parquet", done, "--out", tmp_path / "p")
    said(capsys, "export", "raven", done, "--out", tmp_path / "raven")
    assert (tmp_path / "r.html").stat().st_size > 1000
    assert (tmp_path / "t.csv").read_text(encoding="utf-8").startswith("capture_id,")
    assert list((tmp_path / "p").iterdir())
    assert (tmp_path / "raven" / "20250601_210000.wav.katydid.selections.txt").is_file()


def test_doctor_names_a_damaged_model_and_is_exit_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = placeholder_bundle(tmp_path, name="ears", kind=BundleKind.SOUND_CLASSIFIER, sample_rate=RATE)
    out, _ = said(capsys, "doctor", "--models-dir", tmp_path, "--parity")
    assert "agrees" in out
    assert "DIFFERS" not in out
    (bundle.path / "labels.csv").write_text("rubbish")
    out, _ = said(capsys, "doctor", "--models-dir", tmp_path, code=4)
    assert "labels.csv" in out


def test_help_is_there_at_once_and_names_every_command() -> None:
    command = "import atexit, sys, time; atexit.register(lambda: sys.stderr.write(str(time.process_time())))\n"
    command += "from katydid.streams.cli import main; main(['--help'])"
    asked = [subprocess.run([sys.executable, "-c", command], capture_output=True, text=True) for _ in range(5)]
    shown = asked[0].stdout
    # CPU time, so that a busy machine makes no difference.
    assert min(float(each.stderr) for each in asked) <= 0.3
    for name in ("run", "demo", "report", "export", "query", "explain", "doctor", "models", "simulate", "train"):
        assert f"\n  {name} " in shown


@pytest.mark.parametrize("command", ["run", "report", "explain", "doctor", "query species", "export csv"])
def test_every_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, *command.split(), "--help")
    assert f"katydid {command}" in out


@pytest.mark.skipif(sys.platform == "win32", reason="no Ctrl-C from one process to another there")
def test_ctrl_c_keeps_what_is_finished_exits_130_and_says_how_to_go_on(tmp_path: Path, models: Path) -> None:
    import signal

    folder = recordings(tmp_path / "moor")
    # A suite that a shell started with "&" ignores SIGINT, and its children inherit that: a terminal's child does not.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from katydid.streams.cli import main; main(sys.argv[1:])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, "run",
         str(folder), "--follow", "--models-dir", str(models), "--models", "ears"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stderr is not None
    assert "--timezone" in child.stderr.readline()  # it is at work
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert f"katydid run {folder}" in err
    with open_store(tmp_path / "moor.katydid" / "detections.duckdb", read_only=True) as store:
        assert store.captures_without_outcome() == 0
