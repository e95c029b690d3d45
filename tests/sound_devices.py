"""Sound devices that need no sound card, for a `katydid capture recorder` in a process of its own.

`FileDevice`: ALSA's own "file" over its "null" device: gives a file's samples, as fast as they are taken.
`LoopDevice`: a PulseAudio server of the test's own with a null sink: real time; what is played into it is heard.
Both are found by PortAudio through an ALSA configuration in the test's folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

_ALSA = Path("/usr/share/alsa/alsa.conf")


def need_portaudio() -> None:
    """Skip, with a reason, where PortAudio or ALSA is not installed."""
    if find_spec("sounddevice") is None:
        pytest.skip("the package sounddevice is not installed (extra record)")
    try:
        import sounddevice
    except OSError:
        pytest.skip("PortAudio is not installed (Debian: libportaudio2)")
    if not _ALSA.is_file() or not any(api["name"] == "ALSA" for api in sounddevice.query_hostapis()):
        pytest.skip("PortAudio has no ALSA here: its devices of configuration files cannot be made")


def file_device(folder: Path, samples: NDArray[np.int16]) -> dict[str, str]:
    """The environment in which "katydid_file" gives these samples [n], then whatever."""
    heard = folder / "heard.raw"
    heard.write_bytes(samples.astype("<i2").tobytes())
    return _environment(
        folder,
        "pcm.katydid_file {\n  type file\n  slave.pcm { type null }\n"
        f'  file "{folder / "played.raw"}"\n  infile "{heard}"\n  format raw\n'
        '  hint { show on description "file" }\n}\n',
    )


@contextmanager
def loop_device(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which "katydid_loop" hears what `play` plays, 48 kHz mono."""
    if shutil.which("pulseaudio") is None or shutil.which("pacat") is None:
        pytest.skip("PulseAudio is not installed (Debian: pulseaudio, pulseaudio-utils)")
    if not any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        pytest.skip("ALSA cannot reach PulseAudio (Debian: libasound2-plugins)")
    runtime = folder / "pulse"
    runtime.mkdir(mode=0o700)
    socket = runtime / "socket"
    sink = "module-null-sink sink_name=loop rate=48000 channels=1 format=s16le"
    server = subprocess.Popen(
        ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes", "-L", sink,
         "-L", f"module-native-protocol-unix auth-anonymous=1 socket={socket}"],
        env=os.environ | {"XDG_RUNTIME_DIR": str(runtime), "PULSE_RUNTIME_PATH": str(runtime), "HOME": str(folder)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while not socket.exists():
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.skip("PulseAudio does not start here")
            time.sleep(0.02)
        yield _environment(
            folder,
            f'pcm.katydid_loop {{\n  type pulse\n  server "unix:{socket}"\n  device "loop.monitor"\n'
            '  hint { show on description "loop" }\n}\n',
        ) | {"PULSE_SERVER": f"unix:{socket}"}
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def play(environment: dict[str, str], samples: NDArray[np.int16]) -> None:
    """Play samples [n] into the loop, 48 kHz mono; returns when they were heard. Silence stands around them, for what a
    player begins with may not be heard from its first sample on."""
    silence = bytes(2 * 24_000)
    subprocess.run(
        ["pacat", "--playback", "--device=loop", "--rate=48000", "--channels=1", "--format=s16le"],
        input=silence + samples.astype("<i2").tobytes() + silence, env=environment, check=True, timeout=60,
    )  # fmt: skip


def _environment(folder: Path, devices: str) -> dict[str, str]:
    configuration = folder / "asound.conf"
    configuration.write_text(f"<{_ALSA}>\n{devices}", encoding="utf-8")
    return dict(os.environ) | {"ALSA_CONFIG_PATH": str(configuration)}
