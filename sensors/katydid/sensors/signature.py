"""What a file is, told by its first bytes and never by its name."""

from __future__ import annotations

from katydid.sensors.capture import Kind

HEAD_BYTES = 8192
"""As many first bytes as `media_type` looks at."""

READABLE: dict[str, Kind] = {
    "image/jpeg": Kind.FRAME,
    "image/png": Kind.FRAME,
    "image/bmp": Kind.FRAME,
    "audio/wav": Kind.CLIP,
    "audio/flac": Kind.CLIP,
    "audio/ogg": Kind.CLIP,
    "audio/mpeg": Kind.CLIP,
}
"""The media types that can be decoded, and what they hold."""

_SUFFIXES: dict[str, Kind] = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".png", ".bmp"), Kind.FRAME),
    **dict.fromkeys((".gif", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif"), Kind.FRAME),
    **dict.fromkeys((".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3"), Kind.CLIP),
    **dict.fromkeys((".aif", ".aiff", ".m4a", ".wma", ".wac", ".w4v"), Kind.CLIP),
}
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"GIF8", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (4, b"ftyphei", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypM4A", "audio/mp4"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"%PDF", "application/pdf"),
)
_RIFF_FORMS = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/avi"}
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)

_MPEG_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MPEG1_LAYER3 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_LAYER3 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


def media_type(head: bytes) -> str:
    """The media type of a file that starts with `head` (its first `HEAD_BYTES`), or "" for what is no known format."""
    if head[:4] in (b"RIFF", b"RF64"):
        return _RIFF_FORMS.get(head[8:12], "")
    for offset, magic, name in _MAGIC:
        if head.startswith(magic, offset):
            return name
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "image/bmp"
    return "audio/mpeg" if _is_mp3(head) else ""


def kind_by_name(file_name: str) -> Kind | None:
    """What the name promises, or None where its ending belongs to no medium."""
    dot = file_name.rfind(".")
    return None if dot < 0 else _SUFFIXES.get(file_name[dot:].lower())


def _is_mp3(head: bytes) -> bool:
    return _has_id3(head) or mp3_start(head) is not None


def _has_id3(head: bytes) -> bool:
    return head[:3] == b"ID3" and len(head) > 10 and all(byte < 0x80 for byte in head[6:10])


def mp3_start(head: bytes) -> int | None:
    """Where the first of two frame headers that follow one another stands: one alone turns up in any random bytes.

    0 for a file with an ID3v2 tag, which decoders skip themselves; None where there is no frame.
    """
    if _has_id3(head):
        return 0
    start = head.find(b"\xff")
    while 0 <= start < HEAD_BYTES // 2:
        length = _mp3_frame_length(head, start)
        if length and _mp3_frame_length(head, start + length):
            return start
        start = head.find(b"\xff", start + 1)
    return None


def _mp3_frame_length(data: bytes, at: int) -> int:
    """Bytes of the MPEG layer III frame whose header stands at `at`, or 0 where there is none (ISO/IEC 11172-3)."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return 0
    version, rate, bitrate = data[at + 1] >> 3 & 3, data[at + 2] >> 2 & 3, data[at + 2] >> 4
    if version == 1 or rate == 3 or bitrate in (0, 15):
        return 0
    kilobits = (_MPEG1_LAYER3 if version == 3 else _MPEG2_LAYER3)[bitrate - 1]
    padding = data[at + 2] >> 1 & 1
    return (144_000 if version == 3 else 72_000) * kilobits // _MPEG_RATES[version][rate] + padding
