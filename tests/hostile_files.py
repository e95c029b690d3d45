"""Files that no field sensor should send and some do: each with what must become of it.

`write_hostile_files(folder)` writes them and says for each what to expect:

    "right"       decoded as if nothing were odd (truncated WAV: what is there)
    "refused"     one capture, refused, with this reason code
    "no_capture"  nothing that could be captured: a folder, a pipe, a loop of links

Used by the decoders' own tests and by the end-to-end test. All of it is small: a few megabytes, a second or two.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

SCRIPT = "<script>alert(1)</script>"
RIGHT, REFUSED, NO_CAPTURE = "right", "refused", "no_capture"
_RATE = 22_050


@dataclass(frozen=True)
class HostileFile:
    """One file: its path below the folder as a capture's `file` says it, and what must become of it."""

    name: str
    expectation: str
    reason: str = ""


Content = tuple[str, bytes, str, str]
"""(name, bytes, expectation, reason)."""


def write_hostile_files(folder: Path) -> list[HostileFile]:
    """Write all of them into `folder` (made if need be) and say what to expect."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content, expectation, reason in _contents():
        path = folder / name
        try:
            path.write_bytes(content)
        except (OSError, ValueError, UnicodeEncodeError):  # Not every file system takes every name.
            continue
        written.append(HostileFile(as_captured(name), expectation, reason))
    written.extend(_special(folder))
    return written


def as_captured(name: str) -> str:
    """A file's name as captures say it: what is no UTF-8 as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _contents() -> Iterator[Content]:
    yield from _frames()
    yield from _odd_frames()
    yield from _clips()
    yield from _odd_clips()
    yield from _names()


# Frames


def photo(width: int = 96, height: int = 64) -> Image.Image:
    """A picture without symmetry: dark above left, red to the right, green downwards, with some grain."""
    grain = np.random.default_rng(7).integers(0, 12, (height, width, 3), dtype=np.uint8)
    across = np.linspace(0, 200, width, dtype=np.uint8)[None, :]
    down = np.linspace(0, 200, height, dtype=np.uint8)[:, None]
    pixels = np.stack([across + 0 * down, 0 * across + down, np.full((height, width), 40, np.uint8)], axis=-1)
    return Image.fromarray((pixels + grain).astype(np.uint8))


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def exif_block(tags: Mapping[int, object]) -> bytes:
    """An EXIF segment with the given tags in its first directory."""
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    return exif.tobytes()


def png_chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, bits: int, colour: int, data: bytes) -> bytes:
    """A PNG made by hand from its compressed data."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _frames() -> Iterator[Content]:
    jpeg, plain_png, bmp = (encoded(photo(), form) for form in ("JPEG", "PNG", "BMP"))
    yield "truncated.jpg", jpeg[: len(jpeg) // 2], REFUSED, "truncated"
    yield "truncated_in_header.jpg", jpeg[:100], REFUSED, "truncated"
    yield "truncated_padded_with_zeros.jpg", jpeg[:-300] + bytes(300), REFUSED, "truncated"
    yield "empty.jpg", b"", REFUSED, "empty_file"
    yield "text.jpg", b"this is no picture\n" * 40, REFUSED, "not_media"
    yield "truncated.png", plain_png[: len(plain_png) // 2], REFUSED, "truncated"
    yield "damaged.png", plain_png[:200] + bytes(100) + plain_png[300:], REFUSED, "damaged"
    yield "truncated.bmp", bmp[: len(bmp) // 2], REFUSED, "truncated"
    yield "fine.bmp", bmp, RIGHT, ""
    yield "really_a_png.jpg", plain_png, RIGHT, ""
    yield "really_a_jpeg.wav", jpeg, RIGHT, ""
    yield "cmyk.jpg", encoded(photo().convert("CMYK"), "JPEG"), RIGHT, ""
    yield "grey.jpg", encoded(photo().convert("L"), "JPEG"), RIGHT, ""
    yield "progressive.jpg", encoded(photo(), "JPEG", progressive=True), RIGHT, ""
    for orientation in range(1, 9):
        turned = encoded(photo(), "JPEG", exif=exif_block({0x0112: orientation}))
        yield f"orientation_{orientation}.jpg", turned, RIGHT, ""
    yield "one_pixel.png", encoded(photo(1, 1), "PNG"), RIGHT, ""
    yield "trailing_rubbish.jpg", jpeg + b"rubbish" * 500, RIGHT, ""


def _odd_frames() -> Iterator[Content]:
    rgba = photo().convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L").resize(rgba.size))
    palette = photo().convert("P", palette=Image.Palette.ADAPTIVE)
    grey16 = np.linspace(0, 65_535, 96 * 64).reshape(64, 96).astype(np.uint16)
    jpeg = encoded(photo(), "JPEG")
    yield "pixel_bomb.png", png(60_000, 60_000, 1, 0, zlib.compress(bytes(10_000))), REFUSED, "too_many_pixels"
    yield "pixel_bomb.jpg", _claims_size(jpeg, 65_000, 65_000), REFUSED, "too_many_pixels"
    flat = zlib.compress(bytes(8_001) * 8_000, 9)
    yield "deflate_bomb.png", png(8_000, 8_000, 8, 0, flat), REFUSED, "expansion"
    yield "no_width.png", png(0, 10, 8, 0, zlib.compress(b"")), REFUSED, "bad_header"
    yield "impossible_bits.png", png(8, 8, 7, 2, zlib.compress(b"")), REFUSED, "bad_header"
    yield "scan_bomb.jpg", _many_scans(encoded(photo(), "JPEG", progressive=True)), REFUSED, "too_many_scans"
    yield "transparent.png", encoded(rgba, "PNG"), RIGHT, ""
    yield "palette_transparent.png", encoded(palette, "PNG", transparency=3), RIGHT, ""
    yield "grey_16_bit.png", encoded(Image.fromarray(grey16), "PNG"), RIGHT, ""
    yield "animated.png", _animated(), RIGHT, ""
    yield "gif_inside.jpg", encoded(photo().convert("P"), "GIF"), REFUSED, "unsupported"
    yield "webp_inside.png", b"RIFF\x24\0\0\0WEBPVP8 " + bytes(60), REFUSED, "unsupported"
    yield "tiff_inside.jpg", encoded(photo(), "TIFF"), REFUSED, "unsupported"
    script = {0x010F: SCRIPT, 0x0110: "'\"><img src=x onerror=alert(1)>", 0x0131: "\x1b[31m\x07red"}
    yield "script_in_exif.jpg", encoded(photo(), "JPEG", exif=exif_block(script)), RIGHT, ""
    loop = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0"
    yield "exif_loop.jpg", encoded(photo(), "JPEG", exif=loop), RIGHT, ""
    beyond = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x0f\0\x02\xff\xff\xff\xff\xff\xff\xff\xf0"
    yield "exif_beyond_its_end.jpg", encoded(photo(), "JPEG", exif=beyond), RIGHT, ""


def _claims_size(jpeg: bytes, width: int, height: int) -> bytes:
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def _many_scans(jpeg: bytes) -> bytes:
    scan = jpeg.index(b"\xff\xda")
    return jpeg[:scan] + jpeg[scan:-2] * 150 + b"\xff\xd9"


def _animated() -> bytes:
    turned = photo().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return encoded(photo(), "PNG", save_all=True, append_images=[turned], duration=100)


# Clips


def tone(seconds: float = 1.0, rate: int = _RATE, channels: int = 1) -> NDArray[np.float64]:
    """A quiet 2 kHz tone [frames, channels], each channel half as loud as the one before."""
    samples = 0.2 * np.sin(2 * np.pi * 2000 * np.arange(round(seconds * rate)) / rate)
    return samples[:, None] * 0.5 ** np.arange(channels)


def noise(seconds: float) -> NDArray[np.float64]:
    """White noise [frames, 1], which no codec makes small."""
    return np.random.default_rng(5).normal(0, 0.1, (round(seconds * _RATE), 1))


def sound(samples: NDArray[np.float64], form: str, subtype: str, rate: int = _RATE) -> bytes:
    """The bytes of a sound file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def wav(content: bytes, *, form: int = 1, channels: int = 1, rate: int = _RATE, bits: int = 16) -> bytes:
    """A WAV made by hand; nothing in the header is checked."""
    frame = channels * bits // 8
    layout = struct.pack("<HHIIHH", form, channels, rate, rate * frame & 0xFFFFFFFF, frame, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(layout)) + layout + wav_chunk(b"data", content)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wav_chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a WAV, padded to an even length."""
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) & 1)


def with_chunks(recording: bytes, *chunks: bytes) -> bytes:
    """A WAV with more chunks at its end."""
    body = recording[8:] + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def info_chunk(comment: str, artist: str = "") -> bytes:
    """A LIST chunk as an AudioMoth writes it."""
    texts = b"INFO" + wav_chunk(b"ICMT", comment.encode() + b"\0")
    return wav_chunk(b"LIST", texts + (wav_chunk(b"IART", artist.encode() + b"\0") if artist else b""))


def pcm16(seconds: float = 1.0) -> bytes:
    """Little-endian 16-bit samples of `tone`."""
    return (tone(seconds)[:, 0] * 32_767).astype("<i2").tobytes()


def _clips() -> Iterator[Content]:
    plain = wav(pcm16())
    yield "empty.wav", b"", REFUSED, "empty_file"
    yield "header_only.wav", wav(b""), REFUSED, "empty"
    yield "truncated.wav", plain[: len(plain) // 2], RIGHT, ""
    yield "truncated_in_header.wav", plain[:30], REFUSED, "truncated"
    yield "huge_data_size.wav", plain[:40] + b"\xff\xff\xff\xff" + plain[44:], RIGHT, ""
    yield "never_finished.wav", plain[:4] + bytes(4) + plain[8:40] + bytes(4) + plain[44:], RIGHT, ""
    yield "text.wav", b"this is no sound\n" * 40, REFUSED, "not_media"
    yield "zip_inside.wav", b"PK\x03\x04" + bytes(60), REFUSED, "unsupported"
    yield "no_channels.wav", wav(pcm16(), channels=0), REFUSED, "bad_header"
    yield "no_bits.wav", wav(pcm16(), bits=0), REFUSED, "bad_header"
    yield "no_rate.wav", wav(pcm16(), rate=0), REFUSED, "bad_header"
    yield "four_gigahertz.wav", wav(pcm16(), rate=4_000_000_000), REFUSED, "sample_rate"
    yield "a_thousand_channels.wav", wav(pcm16(), channels=1000), REFUSED, "too_many_channels"
    yield "compressed_format.wav", wav(pcm16(), form=2, bits=4), REFUSED, "unsupported"
    yield "one_sample.wav", wav(b"\x01\x00"), RIGHT, ""
    yield "odd_byte_at_the_end.wav", wav(pcm16() + b"\x01"), RIGHT, ""
    for subtype in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        yield f"{subtype.lower()}.wav", sound(tone(), "WAV", subtype), RIGHT, ""
    yield "extensible.wav", sound(tone(channels=2), "WAVEX", "PCM_24"), RIGHT, ""
    yield "large_riff.wav", sound(tone(), "RF64", "PCM_16"), RIGHT, ""
    yield "absurdly_large_riff.wav", _claims_exabytes(sound(tone(), "RF64", "PCM_16")), RIGHT, ""
    yield "eight_channels.wav", sound(tone(channels=8), "WAV", "PCM_16"), RIGHT, ""
    yield "half_a_megahertz.wav", sound(tone(0.2, 500_000), "WAV", "PCM_16", 500_000), RIGHT, ""
    for name, value, reason in (
        ("nan", np.nan, "not_finite"),
        ("inf", np.inf, "not_finite"),
        ("loud", 1e30, "out_of_range"),
    ):
        damaged = tone()
        damaged[_RATE // 2] = value
        yield f"{name}.wav", sound(damaged, "WAV", "FLOAT"), REFUSED, reason


def _claims_exabytes(recording: bytes) -> bytes:
    """The 64 bits of ds64 that say how long the samples are, all set."""
    at = recording.index(b"ds64") + 16
    return recording[:at] + b"\xff" * 8 + recording[at + 8 :]


def _odd_clips() -> Iterator[Content]:
    flac, ogg, mp3 = (
        sound(tone(), "FLAC", "PCM_16"),
        sound(noise(6.0), "OGG", "VORBIS"),
        sound(tone(), "MP3", "MPEG_LAYER_III"),
    )
    yield "silence_bomb.flac", _silent_flac(), REFUSED, "expansion"
    yield "claims_forty_hours.flac", _claims_samples(flac, 40 * 3600 * _RATE), REFUSED, "too_long"
    yield "claims_twice_its_length.flac", _claims_samples(flac, 2 * _RATE), REFUSED, "truncated"
    yield "does_not_say_its_length.flac", _claims_samples(flac, 0), RIGHT, ""
    yield "truncated.flac", flac[: len(flac) // 2], REFUSED, "truncated"
    yield "truncated_in_header.flac", flac[:20], REFUSED, "undecodable"
    yield "truncated.ogg", ogg[: len(ogg) * 3 // 4], RIGHT, ""
    yield "garbage_behind_its_first_letters.ogg", b"OggS" + np.random.default_rng(1).bytes(4000), REFUSED, "undecodable"
    yield "truncated.mp3", mp3[: len(mp3) // 2], RIGHT, ""
    yield "garbage.mp3", np.random.default_rng(3).bytes(30_000), REFUSED, "not_media"
    yield "only_a_tag.mp3", b"ID3\x03\0\0\0\0\0\x20" + bytes(32), REFUSED, "undecodable"
    guano = f"GUANO|Version: 1.0\nMake: {SCRIPT}\nModel: \x1b[31m\u202ered\nLoc Position: 91 x\nTimestamp: 2024"
    yield "script_in_guano.wav", with_chunks(wav(pcm16()), wav_chunk(b"guan", guano.encode())), RIGHT, ""
    comment = f"Recorded at 10:00:00 28/05/2024 (UTC) by AudioMoth 243B1F026488F56E at medium gain {SCRIPT}"
    yield "script_in_comment.wav", with_chunks(wav(pcm16()), info_chunk(comment, SCRIPT)), RIGHT, ""
    yield "chunk_that_never_ends.wav", with_chunks(wav(pcm16()), b"LIST\xff\xff\xff\x7fINFO"), RIGHT, ""
    yield "damaged_wamd.wav", with_chunks(wav(pcm16()), wav_chunk(b"wamd", b"\x05\0\xff\xff\xff\xff2024")), RIGHT, ""


def _silent_flac() -> bytes:
    """A quarter of an hour of nothing: 86 MB of samples in 160 kB."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 48_000, 1, "PCM_16", format="FLAC") as writer:
        for _ in range(15):
            writer.write(np.zeros(60 * 48_000, np.int16))
    return file.getvalue()


def _claims_samples(flac: bytes, samples: int) -> bytes:
    """The last 36 bits before the digest in STREAMINFO are the number of samples."""
    upper = flac[21] & 0xF0 | samples >> 32
    return flac[:21] + bytes([upper]) + struct.pack(">I", samples & 0xFFFFFFFF) + flac[26:]


# Names and things that are no files


def _names() -> Iterator[Content]:
    recording, jpeg = wav(pcm16()), encoded(photo(), "JPEG")
    yield "new\nline.wav", recording, RIGHT, ""
    yield "right\u202eto\u202cleft gpj.jpg", jpeg, RIGHT, ""
    yield "quotes ' and \" and `.wav", recording, RIGHT, ""
    yield "<script>alert(1)<&.wav", recording, RIGHT, ""
    yield "=cmd|' !A1.wav", recording, RIGHT, ""
    yield "-rf.wav", recording, RIGHT, ""
    yield "; exit 1;.jpg", jpeg, RIGHT, ""
    yield "\x1b[31mred\x07.jpg", jpeg, RIGHT, ""
    yield "%s%n{0}.wav", recording, RIGHT, ""
    yield "back\\slash.jpg", jpeg, RIGHT, ""
    yield "not utf-8 \udcff\udcfe.jpg", jpeg, RIGHT, ""
    yield "very long " + "x" * 200 + ".wav", recording, RIGHT, ""
    yield "UPPER.JPG", jpeg, RIGHT, ""
    yield "99999999_999999.wav", recording, RIGHT, ""
    yield "00000000_000000.jpg", jpeg, RIGHT, ""


def _special(folder: Path) -> Iterator[HostileFile]:
    (folder / "folder.jpg").mkdir(exist_ok=True)
    yield HostileFile("folder.jpg", NO_CAPTURE)
    for name, make in _links(folder):
        try:
            make()
        except (OSError, NotImplementedError):  # Windows without the right to make links.
            continue
        yield HostileFile(name, NO_CAPTURE)
    if sys.platform != "win32":
        os.mkfifo(folder / "pipe.wav")
        yield HostileFile("pipe.wav", NO_CAPTURE)
        (folder / "unreadable.jpg").write_bytes(encoded(photo(), "JPEG"))
        (folder / "unreadable.jpg").chmod(0)
        allowed = os.access(folder / "unreadable.jpg", os.R_OK)
        yield HostileFile("unreadable.jpg", RIGHT if allowed else REFUSED, "" if allowed else "unreadable")


def _links(folder: Path) -> list[tuple[str, Callable[[], None]]]:
    return [
        ("loop", lambda: (folder / "loop").symlink_to(folder, target_is_directory=True)),
        ("to_itself.jpg", lambda: (folder / "to_itself.jpg").symlink_to(folder / "to_itself.jpg")),
        ("to_nowhere.wav", lambda: (folder / "to_nowhere.wav").symlink_to(folder / "gone.wav")),
    ]
