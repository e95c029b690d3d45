"""Frames: JPEG, PNG and BMP to uint8 [H, W, 3], RGB, upright.

The header is read by us and checked against the limits before any decoder sees the bytes: sizes, sanity, expansion,
and whether the file goes on to its end (a decoder would fill the missing half of a photo with grey and say nothing).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from katydid.sensors import tiff
from katydid.sensors.capture import Kind
from katydid.sensors.errors import OverLimit, Undecodable
from katydid.sensors.limits import Limits, check_bytes, check_expansion
from katydid.sensors.signature import HEAD_BYTES, media_type

Pixels = NDArray[np.uint8]

_START_OF_FRAME = frozenset((0xC0, 0xC1, 0xC2))
"""Baseline, extended and progressive Huffman coding: what cameras write."""
_OTHER_FRAMES = frozenset((0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
_PROGRESSIVE, _START_OF_SCAN = 0xC2, 0xDA
_NO_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
_END_OF_IMAGE = b"\xff\xd9"
_MOST_SCANS = 100
_MOST_SCANNED_PIXELS = 1_500_000_000
"""Progressive photos have about ten scans: more than the largest sensor's picture in fifteen is none of a camera."""
_LARGEST_SIDE = 65_500
_PNG_BITS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ORIENTATION_TAG = 0x0112
_EXIF_START = b"Exif\0\0"
_WHITE = 255
_RGB: int = getattr(cv2, "IMREAD_COLOR_RGB", 0)
"""Since OpenCV 4.11."""


class ImageHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the header of a frame says."""

    media_type: str
    width: int
    """Pixels, upright: after the EXIF orientation."""
    height: int
    orientation: int = 1
    """EXIF orientation, 1..8; 1 is upright as stored."""
    components: int = 3
    """1 grey, 3 colour, 4 CMYK (JPEG) or with alpha (PNG)."""
    bits: int = 8
    """Bits of one component as stored."""
    transparent: bool = False
    exif: bytes = b""
    """The EXIF block (TIFF structure, without "Exif\\0\\0"), or empty."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame."""

    pixels: Pixels
    """uint8 [H, W, 3], RGB, upright, contiguous; smaller than the full size where it was decoded reduced."""
    full_width: int
    """Pixels, upright, as recorded."""
    full_height: int


def probe(data: bytes, limits: Limits) -> ImageHeader:
    """Read and check the header of the encoded frame `data`; nothing is decoded.

    Raises OverLimit ("too_many_bytes", "too_many_pixels", "expansion", "too_many_scans") and Undecodable
    ("empty_file", "truncated", "damaged", "not_media", "unsupported", "bad_header").
    """
    check_bytes(len(data), limits, Kind.FRAME)
    if not data:
        raise Undecodable("empty_file", "the file has no bytes")
    found = media_type(data[:HEAD_BYTES])
    if found == "image/jpeg":
        header = _probe_jpeg(data)
    elif found == "image/png":
        header = _probe_png(data)
    elif found == "image/bmp":
        header = _probe_bmp(data)
    elif found:
        raise Undecodable("unsupported", f"this is {found}; frames are read from JPEG, PNG and BMP")
    else:
        raise Undecodable("not_media", "the bytes are no picture that is known here")
    _check_size(header, len(data), limits)
    return header


def decode(data: bytes, limits: Limits, short_side: int | None = None) -> Frame:
    """Decode `data` to RGB, upright.

    With `short_side`, a JPEG is decoded at the largest DCT scale (1/2, 1/4, 1/8) that leaves its short side at least
    twice as long, so that an area resize after it loses nothing: 12 megapixels to 224 in a third of the time.
    Transparent parts become white; 16-bit values keep their upper byte. Raises as `probe` does, and
    Undecodable("undecodable") where the decoder gives up.
    """
    header = probe(data, limits)
    turned = header.orientation >= 5
    stored = (header.width, header.height) if turned else (header.height, header.width)
    if header.media_type == "image/jpeg" and header.components == 4:
        pixels = _decode_cmyk(data)
    elif header.transparent:
        pixels = _on_white(_decode_cv2(data, cv2.IMREAD_UNCHANGED))
    else:
        pixels = _decode_rgb(data, header, short_side)
        stored = _reduced(stored, _denominator(header, short_side))
    if pixels.shape[:2] != stored:
        raise Undecodable("undecodable", f"the header says {stored[::-1]}, the decoder {pixels.shape[1::-1]}")
    upright = np.ascontiguousarray(_turn(pixels, header.orientation))
    return Frame(pixels=upright, full_width=header.width, full_height=header.height)


def exif(data: bytes) -> bytes:
    """The EXIF block (TIFF structure) of a JPEG or PNG, or b"" where there is none; `data` may be cut off behind it."""
    found = media_type(data[:HEAD_BYTES])
    try:
        if found == "image/jpeg":
            for marker, start, end in _jpeg_segments(data):
                if marker == 0xE1 and data[start : start + 6] == _EXIF_START:
                    return data[start + 6 : end]
        elif found == "image/png":
            for name, start, end in _png_chunks(data):
                if name == b"eXIf":
                    return data[start:end]
    except Undecodable:
        pass
    return b""


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """`pixels` [H, W] or [H, W, 3] at [height, width]: by area when it shrinks (anything else aliases), else linear."""
    if pixels.shape[:2] == (height, width):
        return pixels
    shrinks = height <= pixels.shape[0] and width <= pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=method), dtype=np.uint8)


def shrink_with_grey(pixels: Pixels, grey: Pixels, height: int, width: int) -> tuple[Pixels, Pixels]:
    """`resize` of `pixels` [H, W, 3] and of its `grey` levels [H, W], neither smaller than the target: the same values,
    in one pass over four channels, which costs little more than three."""
    four = cv2.insertChannel(grey, cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA), 3)
    small = cv2.resize(four, (width, height), interpolation=cv2.INTER_AREA)
    colour = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGBA2RGB), dtype=np.uint8)
    return colour, np.asarray(cv2.extractChannel(small, 3), dtype=np.uint8)


def _check_size(header: ImageHeader, encoded: int, limits: Limits) -> None:
    if header.width < 1 or header.height < 1:
        raise Undecodable("bad_header", f"the header says {header.width} x {header.height} pixels")
    pixels = header.width * header.height
    if pixels > limits.max_pixels or max(header.width, header.height) > _LARGEST_SIDE:
        raise OverLimit(
            "too_many_pixels",
            f"{header.width} x {header.height} pixels are over the limit of {limits.max_pixels:,} "
            f"(and {_LARGEST_SIDE:,} a side)",
        )
    check_expansion(pixels * 3, encoded, limits)


# JPEG (ITU-T T.81, annex B)


def _probe_jpeg(data: bytes) -> ImageHeader:
    size: tuple[int, int, int, int] | None = None
    progressive = False
    block = b""
    scan = 0
    for marker, start, end in _jpeg_segments(data):
        if marker in _START_OF_FRAME and size is None and end - start >= 6:
            size = struct.unpack_from(">BHHB", data, start)
            progressive = marker == _PROGRESSIVE
        elif marker in _OTHER_FRAMES:
            raise Undecodable("unsupported", "a JPEG with lossless or arithmetic coding, which no camera writes")
        elif marker == 0xE1 and not block and data[start : start + 6] == _EXIF_START:
            block = data[start + 6 : end]
        elif marker == _START_OF_SCAN:
            scan = start
    if size is None:
        raise Undecodable("bad_header", "a JPEG without a frame header")
    bits, height, width, components = size
    if bits != 8 or components not in (1, 3, 4):
        raise Undecodable("unsupported", f"a JPEG with {components} components of {bits} bits")
    _check_end(data, scan)
    if progressive or data[scan] < components:
        _check_scans(data, scan, width * height)
    return _turned("image/jpeg", width, height, components, 8, False, block)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment's content up to the first scan. Raises Undecodable("truncated")."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise Undecodable("bad_header", "a JPEG whose segments do not follow one another")
        marker = data[at + 1]
        if marker == 0xFF or marker in _NO_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            raise Undecodable("truncated", "a JPEG that ends before its picture")
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data):
            break
        yield marker, at + 4, end
        if marker == _START_OF_SCAN:
            return
        at = max(end, at + 4)
    raise Undecodable("truncated", "a JPEG that ends inside its header")


def _check_end(data: bytes, scan: int) -> None:
    """Inside coded data 0xFF is always followed by 0 or a marker, so the end marker can be searched for."""
    if not data.endswith(_END_OF_IMAGE) and data.find(_END_OF_IMAGE, scan) < 0:
        raise Undecodable("truncated", "the JPEG ends before its last row: the file was cut off")


def _check_scans(data: bytes, scan: int, pixels: int) -> None:
    """Each scan of a picture that comes in several costs a pass over all of it."""
    scans = data.count(b"\xff\xda", scan) + 1
    if scans > _MOST_SCANS or scans * pixels > _MOST_SCANNED_PIXELS:
        raise OverLimit("too_many_scans", f"a JPEG of {pixels:,} pixels in {scans} scans")


# PNG (W3C recommendation, third edition)


def _probe_png(data: bytes) -> ImageHeader:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise Undecodable("truncated" if len(data) < 33 else "bad_header", "a PNG without its header")
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    if bits not in _PNG_BITS.get(colour, ()):
        raise Undecodable("bad_header", f"a PNG of colour type {colour} with {bits} bits")
    chunks = {name: (start, end) for name, start, end in _png_chunks(data)}
    if b"IDAT" not in chunks:
        raise Undecodable("bad_header", "a PNG without picture data")
    start, end = chunks.get(b"eXIf", (0, 0))
    clear = colour in (4, 6) or b"tRNS" in chunks
    return _turned("image/png", width, height, _PNG_CHANNELS[colour], bits, clear, data[start:end])


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of each chunk's content. Raises Undecodable("truncated") where the end chunk is missing."""
    at = 8
    while at + 12 <= len(data):
        name = data[at + 4 : at + 8]
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise Undecodable("damaged", "a PNG with a part that does not match its checksum")
        yield name, at + 8, end
        if name == b"IEND":
            return
        at = end + 4
    raise Undecodable("truncated", "the PNG ends before its end chunk: the file was cut off")


# BMP (Windows bitmap headers)


def _probe_bmp(data: bytes) -> ImageHeader:
    if len(data) < 54:
        raise Undecodable("truncated", "a BMP that ends inside its header")
    offset, header_size = struct.unpack_from("<II", data, 10)
    if header_size < 40:
        raise Undecodable("unsupported", "a BMP with the header of OS/2")
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if width < 1 or height == 0 or bits not in (1, 4, 8, 16, 24, 32) or offset < 14 + header_size:
        raise Undecodable("bad_header", f"a BMP of {width} x {height} pixels with {bits} bits")
    if compression not in (0, 3):
        raise Undecodable("unsupported", "a compressed BMP")
    rows = abs(height)
    if offset + (width * bits + 31) // 32 * 4 * rows > len(data):
        raise Undecodable("truncated", "the BMP ends before its last row: the file was cut off")
    return _turned("image/bmp", width, rows, 3, 8, False, b"")


# Orientation and decoders


def _turned(kind: str, width: int, height: int, components: int, bits: int, clear: bool, block: bytes) -> ImageHeader:
    orientation = _orientation(block)
    if orientation >= 5:
        width, height = height, width
    return ImageHeader(
        media_type=kind,
        width=width,
        height=height,
        orientation=orientation,
        components=components,
        bits=bits,
        transparent=clear,
        exif=block,
    )


def _orientation(block: bytes) -> int:
    """The orientation of an EXIF block, or 1 where there is none or it makes no sense."""
    value = tiff.whole(tiff.directory(block), _ORIENTATION_TAG)
    return value if value is not None and 1 <= value <= 8 else 1


def _turn(pixels: Pixels, orientation: int) -> Pixels:
    """Upright from stored rows, by the table of the EXIF standard (CIPA DC-008, 4.6.4)."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _denominator(header: ImageHeader, short_side: int | None) -> int:
    if short_side is None or header.media_type != "image/jpeg":
        return 1
    short = min(header.width, header.height)
    return next((scale for scale in (8, 4, 2) if short // scale >= 2 * short_side), 1)


def _reduced(stored: tuple[int, int], denominator: int) -> tuple[int, int]:
    return -(-stored[0] // denominator), -(-stored[1] // denominator)


def _reduced_flag(header: ImageHeader, short_side: int | None) -> int:
    return {
        1: cv2.IMREAD_COLOR,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }[_denominator(header, short_side)]


def _decode_cv2(data: bytes, flag: int) -> NDArray[np.generic]:
    """BGR or BGRA [H, W, channels], as stored: the orientation is ours."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as exc:
        raise Undecodable("undecodable", "the decoder gives up on this picture") from exc
    if pixels is None:
        raise Undecodable("undecodable", "the decoder finds no picture in these bytes")
    stored: NDArray[np.generic] = np.asarray(pixels)
    return stored if stored.ndim == 3 else stored[:, :, None]


def _decode_rgb(data: bytes, header: ImageHeader, short_side: int | None) -> Pixels:
    flag = _reduced_flag(header, short_side)
    if header.media_type == "image/jpeg" and _RGB:
        # In the order of the file: OpenCV would turn it round, and we back again.
        return np.asarray(_decode_cv2(data, flag & ~cv2.IMREAD_COLOR | _RGB), dtype=np.uint8)
    bgr = _decode_cv2(data, flag)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr), dtype=np.uint8)


def _decode_cmyk(data: bytes) -> Pixels:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as exc:
        raise Undecodable("undecodable", "the decoder gives up on this CMYK picture") from exc


def _on_white(stored: NDArray[np.generic]) -> Pixels:
    """RGB of BGRA [H, W, 4] (or grey, or BGR where the transparency was empty) of 8 or 16 bits, over white."""
    pixels = (stored >> 8).astype(np.uint8) if stored.dtype == np.uint16 else stored.astype(np.uint8)  # type: ignore[operator]
    colour = pixels[:, :, 2::-1] if pixels.shape[2] >= 3 else np.repeat(pixels[:, :, :1], 3, axis=2)
    if pixels.shape[2] != 4:
        return colour
    alpha = pixels[:, :, 3:].astype(np.uint16)
    blended = (colour * alpha + _WHITE * (_WHITE - alpha) + _WHITE // 2) // _WHITE
    return blended.astype(np.uint8)
