"""`katydid push`: what it says, its exit codes, and that a kill in the middle loses nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("confluent_kafka", reason="needs the kafka extra")

from hostile_files import encoded, photo
from katydid.sensors import envelope
from katydid.sensors.capture import Kind
from katydid.sensors.errors import MediaStoreError, ScratchUnusable, SourceError, UplinkError
from katydid.streams.cli import INTERRUPTED, run_command
from katydid.streams.cli.push import NOT_ALL_SENT, uplink_settings
from katydid.streams.kafka.configuration import read_configuration
from mock_cluster import MockCluster, cluster, received_envelope

__all__ = ["cluster"]

FILES = 300
KILLED = """
import os, signal
from katydid.sensors.uplink.kafka import KafkaUplink
from katydid.sensors.uplink.journal import PushJournal
from katydid.streams.cli import main
kind, name = {{"KafkaUplink": KafkaUplink, "PushJournal": PushJournal}}["{at}".split(".")[0]], "{at}".split(".")[1]
whole, calls = getattr(kind, name), []
def killed(*words):
    calls.append(name)
    if len(calls) == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*words)
setattr(kind, name, killed)
main()
"""
_DEADLINE_S = 60.0


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    folder.mkdir()
    for number in range(4):
        (folder / f"IMG_{number}.jpg").write_bytes(encoded(photo(96 + number), "JPEG"))
    return folder


PAGE = (Path(__file__).resolve().parents[3] / "docs" / "push.md").read_text(encoding="utf-8")


def test_every_option_is_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["push", "--help"]) == 0
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert len(options) > 10
    assert {option for option in options if f"`{option}" not in PAGE and not option.startswith("--no-")} == set()


def test_every_exit_code_of_a_push_is_on_the_page() -> None:
    errors = (SourceError, MediaStoreError, ScratchUnusable, UplinkError)
    for code in (0, NOT_ALL_SENT, INTERRUPTED, *(error.exit_code for error in errors)):
        assert f"\n| {code} | " in PAGE


def url(cluster: MockCluster) -> str:
    return f"kafka://{cluster.bootstrap}/"


def test_a_push_says_what_arrived_and_a_second_that_nothing_is_new(
    card: Path, cluster: MockCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["push", str(card), "--to", url(cluster), "--timezone", "UTC"]) == 0
    assert capsys.readouterr().out.startswith("4 captures acknowledged, ")
    assert cluster.count("katydid.frames") == 4
    assert run_command(["push", str(card), "--to", url(cluster)]) == 0
    assert capsys.readouterr().out == f"Nothing new in {card}.\n"
    assert (card.with_name("card.katydid") / "pushed.sqlite").is_file()


def test_the_configuration_names_brokers_and_topics_and_later_runs_keep_the_sensor(
    card: Path, cluster: MockCluster, tmp_path: Path
) -> None:
    cluster.create_topic("station.pictures")
    servers = ", ".join(f'"{server}"' for server in cluster.servers)
    config = tmp_path / "katydid.toml"
    config.write_text(f'[kafka]\nservers = [{servers}]\n[topics]\nframes = "station.pictures"\n', encoding="utf-8")
    assert run_command(["push", str(card), "--config", str(config), "--sensor", "ridge", "--quiet"]) == 0
    (card / "late.jpg").write_bytes(encoded(photo(130), "JPEG"))
    assert run_command(["push", str(card), "--config", str(config), "--quiet"]) == 0
    assert {message.key() for message in cluster.messages("station.pictures")} == {b"ridge"}
    assert cluster.count("station.pictures") == 5


def test_a_simulated_night_can_be_pushed(cluster: MockCluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["push", "simulated:seed=2,hours=0.05", "--to", url(cluster)]) == 0
    assert cluster.count("katydid.frames") + cluster.count("katydid.clips") == 3
    assert capsys.readouterr().out.startswith("3 captures acknowledged")


def test_a_simulated_deployment_can_be_pushed(cluster: MockCluster, capsys: pytest.CaptureFixture[str]) -> None:
    words = "simulated:preset=deployment,stations=2,days=0.01,fidelity=low,sensors=recorders"
    assert run_command(["push", words, "--to", url(cluster)]) == 0
    assert {message.key() for message in cluster.messages("katydid.clips")} == {b"SIM-0001-REC", b"SIM-0002-REC"}
    assert capsys.readouterr().out.startswith("4 captures acknowledged")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["nowhere", "--to", "kafka://127.0.0.1:1/"], 3, "there is no folder nowhere"),
        ([".", "--to", "127.0.0.1:9092"], 2, "kafka://HOST:PORT/"),
        ([".", "--to", "kafka://host/"], 2, "kafka://HOST:PORT/"),
        ([".", "--to", "kafka://me:secret@host:9092/"], 2, "kafka://HOST:PORT/"),
        ([".", "--lat", "5"], 2, "--lat and --lon"),
        (["simulated:hours=90"], 2, "simulated:seed=1,hours=2"),
        (["simulated:", "--follow"], 2, "--follow is for folders"),
        (["simulated:", "--media-store", "/mnt/media"], 2, "file:///mnt/media"),
        (["simulated:", "--config", "missing.toml"], 2, "missing.toml"),
    ],
)
def test_wrong_words_have_their_exit_code_and_say_what_is_right(
    words: list[str],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["push", *words]) == code
    assert says in " ".join(capsys.readouterr().err.split())


def test_something_left_out_is_exit_code_7(
    card: Path, cluster: MockCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    (card / "long.wav").write_bytes(b"RIFF" + (9 << 20).to_bytes(4, "little") + b"WAVEfmt " + bytes(9 << 20))
    assert run_command(["push", str(card), "--to", url(cluster)]) == 7
    shown = capsys.readouterr()
    assert "long.wav was not sent: 9 MiB are over the 8 MiB" in shown.err and "1 capture left out" in shown.out


def test_a_temporary_folder_that_takes_nothing_is_one_line_and_exit_code_6(
    card: Path,
    cluster: MockCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    soundfile.write(card / "20240528_100000.wav", np.zeros((5_000_000, 1), np.int16), 48_000, subtype="PCM_16")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    assert run_command(["push", str(card), "--to", url(cluster), "--timezone", "UTC", "--as-flac"]) == 6
    said = capsys.readouterr().err
    assert "not there cannot be written" in said and "TMPDIR" in said and "Traceback" not in said


def until(cluster: MockCluster, messages: int, process: subprocess.Popen[bytes]) -> None:
    late = time.monotonic() + _DEADLINE_S
    while cluster.count("katydid.frames") < messages:
        assert process.poll() is None and time.monotonic() < late


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is a signal of Unix")
def test_followed_a_new_file_is_sent_and_ctrl_c_leaves_nothing_to_be_sent_again(
    card: Path, cluster: MockCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    # A suite that was started with "&" hears no Ctrl-C, and a child of it would not either.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "from katydid.streams.cli import main; main()"
    words = ["push", str(card), "--to", url(cluster), "--timezone", "UTC", "--follow"]
    process = subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.PIPE)
    try:
        until(cluster, 4, process)
        (card / "late.jpg").write_bytes(encoded(photo(130), "JPEG"))
        until(cluster, 5, process)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=_DEADLINE_S)
    finally:
        process.kill()
    assert process.returncode == INTERRUPTED and b"what was acknowledged is noted" in told
    assert run_command(["push", str(card), "--to", url(cluster)]) == 0
    assert capsys.readouterr().out == f"Nothing new in {card}.\n"


def test_the_uplink_is_told_what_the_configuration_says_and_the_password_of_the_environment(tmp_path: Path) -> None:
    config = tmp_path / "katydid.toml"
    config.write_text(
        """
        [kafka]
        servers = ["a:9092", "b:9092"]
        security = "scram"
        user = "trap-7"
        ca_file = "ca.pem"
        [topics]
        frames = "pictures"
        clips = "sounds"
        """,
        encoding="utf-8",
    )
    configuration = read_configuration(config, {"KATYDID_KAFKA_PASSWORD": "hunter2"})
    told = uplink_settings(configuration, (), 16)
    assert (told.bootstrap, told.security, told.user, told.password) == ("a:9092,b:9092", "scram", "trap-7", "hunter2")
    assert (told.ca_file, told.topic(Kind.FRAME), told.topic(Kind.CLIP)) == (Path("ca.pem"), "pictures", "sounds")
    assert told.in_flight_bytes == 16 << 20
    assert uplink_settings(configuration, ("c:1",), 2).bootstrap == "c:1"


def many(folder: Path) -> None:
    """300 frames of seven sensors, 3 KB each: however often they are sent, the mock keeps them all."""
    jpeg = encoded(photo(64, 48), "JPEG").ljust(3_000, b"\0")
    for number in range(FILES):
        path = folder / f"sensor{number % 7}" / f"IMG_{number:04}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(jpeg + number.to_bytes(4, "big"))  # Behind the picture's end: another digest.


def killed(cluster: MockCluster, folder: Path, at: str, number: int) -> int:
    """A push that is killed at the `number`th call of a method, as kill -9 does; its exit code."""
    program = KILLED.format(at=at, number=number)
    words = ["push", str(folder), "--to", url(cluster), "--timezone", "UTC", "--in-flight", "1"]
    ended = subprocess.run([sys.executable, "-c", program, *words], stdout=subprocess.DEVNULL, timeout=_DEADLINE_S)
    return ended.returncode


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is a signal of Unix")
def test_killed_again_and_again_every_capture_arrives_and_none_is_lost(tmp_path: Path, cluster: MockCluster) -> None:
    """Before and after the broker has it, before and after that is noted."""
    folder = tmp_path / "card"
    folder.mkdir()
    many(folder)
    kills = [
        ("KafkaUplink.send", 40), ("PushJournal.acknowledge", 1), ("PushJournal.acknowledge", 60),
        ("PushJournal.flush", 1), ("KafkaUplink.close", 1),
    ]  # fmt: skip
    assert [killed(cluster, folder, *kill) for kill in kills] == [-9] * len(kills)
    before = cluster.count("katydid.frames")
    assert run_command(["push", str(folder), "--to", url(cluster), "--quiet"]) == 0
    captures = [envelope.unpack(received_envelope(each)) for each in cluster.messages("katydid.frames")]
    assert {each.file for each in captures} == {f"sensor{number % 7}/IMG_{number:04}.jpg" for number in range(FILES)}
    assert len({each.capture_id for each in captures}) == FILES
    assert before > FILES, "the kills left nothing to be sent again: they did not hit"
    print(f"{len(kills)} kills: {len(captures) - FILES} of {FILES} sent again, 0 lost")
    assert run_command(["push", str(folder), "--to", url(cluster), "--quiet"]) == 0
    assert cluster.count("katydid.frames") == len(captures)
