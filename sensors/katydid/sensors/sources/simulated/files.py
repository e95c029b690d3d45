"""The bytes as field devices write them: 16-bit WAV with a GUANO chunk, JPEG with EXIF."""

from __future__ import annotations

import io
import struct
from datetime import datetime

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

RECORDER_SERIAL = "SIM-REC-01"
CAMERA_SERIAL = "SIM-CAM-01"
_JPEG_QUALITY = 88
_EXIF_IFD, _DATE_TAKEN, _OFFSET_TAKEN, _SERIAL, _MAKE, _MODEL = 0x8769, 0x9003, 0x9011, 0xA431, 0x010F, 0x0110


def wav(
    samples: NDArray[np.float32],
    sample_rate: int,
    at: datetime,
    temperature_c: float,
    position: tuple[float, float],
    serial: str = RECORDER_SERIAL,
) -> bytes:
    """Float32 [n] or [channels, n] in -1..1 as a WAV of 16 bits with a GUANO chunk (guano-md.org, version 1.0)."""
    guano = "\n".join(
        [
            "GUANO|Version:1.0",
            "Make:Katydid",
            "Model:Simulated recorder",
            f"Serial:{serial}",
            f"Timestamp:{at.isoformat()}",
            f"Samplerate:{sample_rate}",
            f"Length:{samples.shape[-1] / sample_rate:.3f}",
            f"Temperature Ext:{temperature_c:.1f}",
            f"Loc Position:{position[0]:.5f} {position[1]:.5f}",
        ]
    ).encode()
    return plain_wav(samples, sample_rate, _chunk(b"guan", guano))


def plain_wav(samples: NDArray[np.float32], sample_rate: int, more: bytes = b"") -> bytes:
    """As `wav`, with these chunks at the end and none that says anything of time or device."""
    channels = 1 if samples.ndim == 1 else samples.shape[0]
    scaled = np.clip(samples, -1.0, 1.0)
    scaled *= np.float32(32767.0)
    stored = np.rint(scaled, out=scaled).astype("<i2").T.tobytes()
    form = struct.pack("<HHIIHH", 1, channels, sample_rate, sample_rate * 2 * channels, 2 * channels, 16)
    parts = [b"WAVE", _chunk(b"fmt ", form), _chunk(b"data", stored), more]
    return b"".join([b"RIFF", struct.pack("<I", sum(map(len, parts))), *parts])


def jpeg(pixels: NDArray[np.uint8], at: datetime) -> bytes:
    """RGB uint8 [H, W, 3] as a JPEG that says when and by which camera it was taken."""
    exif = Image.Exif()
    exif[_MAKE], exif[_MODEL] = "Katydid", "Simulated camera"
    inner = exif.get_ifd(_EXIF_IFD)
    offset = at.strftime("%z")
    inner[_DATE_TAKEN] = at.strftime("%Y:%m:%d %H:%M:%S")
    inner[_OFFSET_TAKEN] = f"{offset[:3]}:{offset[3:5]}"
    inner[_SERIAL] = CAMERA_SERIAL
    done, encoded = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise ValueError(f"a frame of shape {pixels.shape} could not be written as JPEG")
    return _with_exif(encoded.tobytes(), exif.tobytes())


def _with_exif(encoded: bytes, block: bytes) -> bytes:
    """Put an APP1 segment right behind the start-of-image marker."""
    return encoded[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + encoded[2:]


def _chunk(name: bytes, content: bytes) -> bytes:
    padding = b"\0" if len(content) % 2 else b""
    return name + struct.pack("<I", len(content)) + content + padding


def truncated(encoded: bytes) -> bytes:
    """What is left when the card is pulled while the file is written."""
    return encoded[: io.DEFAULT_BUFFER_SIZE // 16]
