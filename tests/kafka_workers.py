"""Captures as messages, and workers as processes."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile

from katydid.sensors.capture import Capture, Clock, ClockSource, Kind
from katydid.sensors.envelope import Envelope, pack

RATE = 16_000


def wav(seed: int, seconds: float = 1.0) -> bytes:
    samples = np.random.default_rng(seed).uniform(-0.3, 0.3, round(RATE * seconds)).astype(np.float32)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def clip(number: int, payload: bytes | None = None) -> Capture:
    payload = wav(number) if payload is None else payload
    return Capture(
        capture_id=f"{number:032x}",
        sensor_id=f"recorder-{number % 5}",
        kind=Kind.CLIP,
        captured_at=number,
        clock=Clock(source=ClockSource.NONE),
        media_type="audio/wav",
        payload=payload,
        sha256=hashlib.sha256(payload).hexdigest(),
        length=len(payload),
        file=f"{number}.wav",
    )


def message(number: int, payload: bytes | None = None) -> Envelope:
    return pack(clip(number, payload))


class Worker:
    """`katydid worker` as a process."""

    def __init__(self, configuration: Path, log: Path, *options: str, **environ: str) -> None:
        self.log = log
        command = [sys.executable, "-c", "from katydid.streams.cli import main; main()"]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [*command, "worker", "--config", str(configuration), *options],
                stdout=file, stderr=file, env={**os.environ, **environ},
            )  # fmt: skip

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    @property
    def words(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def port(self) -> int:
        """Where it serves its metrics; waits for the line that says so."""
        from mock_broker import until

        until(lambda: "metrics at" in self.words or self.process.poll() is not None, "the metrics' port")
        return int(self.words.split("metrics at http://127.0.0.1:")[1].split("/")[0])


StartWorker = Callable[..., Worker]


class Reachable(Protocol):
    """A broker, be it mocked or real."""

    @property
    def bootstrap(self) -> str: ...


def settings(broker: Reachable, bundle: Path, *, sink: str = "", kafka: str = "", more: str = "") -> str:
    return f"""
[kafka]
servers = ["{broker.bootstrap}"]
session_s = 6
heartbeat_s = 1
{kafka}
[sink]
url = "{sink}"
[models]
names = ['{bundle.as_posix()}']
[metrics]
port = 0
{more}
"""
