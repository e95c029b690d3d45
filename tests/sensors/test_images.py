"""Frames to upright RGB. Pillow, another binding with its own header reading and turning, is the judge."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from hostile_files import encoded, exif_block, photo, png
from katydid.sensors import images
from katydid.sensors.errors import OverLimit, RefusedMedia, Undecodable
from katydid.sensors.limits import Limits

LIMITS = Limits()


def mean_difference(ours: np.ndarray, theirs: Image.Image) -> float:
    return float(np.abs(ours.astype(int) - np.asarray(theirs.convert("RGB")).astype(int)).mean())


@pytest.mark.parametrize("form", ["PNG", "BMP"])
def test_lossless_frames_come_out_as_they_went_in(form: str) -> None:
    frame = images.decode(encoded(photo(), form), LIMITS)
    assert np.array_equal(frame.pixels, np.asarray(photo()))
    assert (frame.full_width, frame.full_height) == (96, 64)
    assert frame.pixels.flags.c_contiguous and frame.pixels.dtype == np.uint8


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_jpegs_are_rgb_in_this_order(options: dict[str, object]) -> None:
    data = encoded(photo(), "JPEG", quality=95, **options)
    frame = images.decode(data, LIMITS)
    assert mean_difference(frame.pixels, Image.open(io.BytesIO(data))) < 1.0


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_every_orientation_comes_out_upright(orientation: int, form: str) -> None:
    data = encoded(photo(), form, exif=exif_block({0x0112: orientation}))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert upright is not None
    header = images.probe(data, LIMITS)
    frame = images.decode(data, LIMITS)
    assert (header.width, header.height) == upright.size == (frame.full_width, frame.full_height)
    assert mean_difference(frame.pixels, upright) < 1.0
    assert frame.pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("short_side", "scale"), [(200, 1), (150, 2), (75, 4), (37, 8), (1, 8)])
def test_a_jpeg_is_decoded_at_the_largest_scale_that_leaves_twice_the_target(
    short_side: int, scale: int, orientation: int
) -> None:
    data = encoded(photo(801, 600), "JPEG", quality=95, exif=exif_block({0x0112: orientation}))
    frame = images.decode(data, LIMITS, short_side)
    long, short = -(-801 // scale), 600 // scale
    assert frame.pixels.shape[:2] == ((short, long) if orientation == 1 else (long, short))
    assert {frame.full_width, frame.full_height} == {801, 600}
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert upright is not None
    small = upright.convert("RGB").resize(frame.pixels.shape[1::-1], Image.Resampling.BOX)
    assert mean_difference(frame.pixels, small) < 2.0


def test_other_forms_are_never_reduced_on_decoding() -> None:
    assert images.decode(encoded(photo(800, 600), "PNG"), LIMITS, 10).pixels.shape == (600, 800, 3)


def test_grey_and_cmyk_become_rgb() -> None:
    for mode in ("L", "CMYK"):
        data = encoded(photo().convert(mode), "JPEG", quality=95)
        theirs = Image.open(io.BytesIO(data)).convert("RGB")
        assert mean_difference(images.decode(data, LIMITS).pixels, theirs) < 1.0


def test_sixteen_bits_keep_their_upper_byte() -> None:
    values = np.array([[0, 255, 256, 0x7FFF], [0x8000, 0xFEFF, 0xFF00, 0xFFFF]], np.uint16)
    frame = images.decode(encoded(Image.fromarray(values), "PNG"), LIMITS)
    assert np.array_equal(frame.pixels, np.repeat((values >> 8).astype(np.uint8)[:, :, None], 3, axis=2))


def test_what_is_transparent_becomes_white_and_what_is_half_is_mixed() -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 0] = 200
    pixels[0, :, 3] = (0, 255, 128)
    frame = images.decode(encoded(Image.fromarray(pixels, "RGBA"), "PNG"), LIMITS)
    assert frame.pixels[0, 0].tolist() == [255, 255, 255]
    assert frame.pixels[0, 1].tolist() == [200, 0, 0]
    assert np.abs(frame.pixels[0, 2].astype(int) - [227, 127, 127]).max() <= 1


def test_a_transparent_palette_becomes_white_there() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    frame = images.decode(encoded(image, "PNG", transparency=0), LIMITS)
    assert frame.pixels[0].tolist() == [[255, 255, 255], [200, 100, 50]]


def test_of_an_animation_the_first_picture_is_taken() -> None:
    turned = photo().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    data = encoded(photo(), "PNG", save_all=True, append_images=[turned])
    assert np.array_equal(images.decode(data, LIMITS).pixels, np.asarray(photo()))


def test_a_thumbnail_inside_a_cut_photo_does_not_pass_for_its_end() -> None:
    thumbnail = encoded(photo(16, 16), "JPEG")
    exif = b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0\0\0\0\0" + thumbnail
    data = encoded(photo(), "JPEG", exif=exif)
    assert images.decode(data, LIMITS).pixels.shape == (64, 96, 3)
    with pytest.raises(Undecodable) as refused:
        images.decode(data[:-200], LIMITS)
    assert refused.value.reason == "truncated"


@given(st.integers(0, 2_000), st.sampled_from(["JPEG", "PNG", "BMP"]))
def test_a_frame_cut_anywhere_is_refused_and_never_half_grey(cut: int, form: str) -> None:
    data = encoded(photo(), form)
    with pytest.raises(RefusedMedia):
        images.decode(data[: min(cut, len(data) - 1) if form != "PNG" else min(cut, len(data) - 5)], LIMITS)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM"]))
def test_no_bytes_whatever_raise_anything_but_a_refusal(tail: bytes, head: bytes) -> None:
    with pytest.raises(RefusedMedia):
        images.decode(head + tail, LIMITS)


@given(st.integers(2, 1_500), st.integers(0, 255))
def test_one_changed_byte_in_a_jpeg_gives_a_picture_or_a_refusal(at: int, value: int) -> None:
    data = bytearray(encoded(photo(), "JPEG"))
    data[at % len(data)] = value
    try:
        frame = images.decode(bytes(data), Limits(max_pixels=10_000_000))
    except RefusedMedia:
        return
    assert frame.pixels.ndim == 3


def test_pixels_are_counted_before_anything_is_decoded() -> None:
    data = png(60_000, 60_000, 1, 0, b"")
    started = time.process_time()
    with pytest.raises(OverLimit) as refused:
        images.decode(data, LIMITS)
    assert refused.value.reason == "too_many_pixels"
    assert time.process_time() - started < 0.1
    with pytest.raises(OverLimit):
        images.probe(encoded(photo(), "PNG"), Limits(max_pixels=96 * 64 - 1))
    assert images.probe(encoded(photo(), "PNG"), Limits(max_pixels=96 * 64)).width == 96


def test_resize_averages_areas_when_it_shrinks() -> None:
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (images.resize(stripes, 4, 4) == 100).all()
    assert images.resize(stripes, 16, 16).shape == (16, 16, 3)
    assert images.resize(stripes, 8, 8) is stripes
    assert images.resize(stripes[:, :, 0], 4, 2).shape == (4, 2)


@given(
    size=st.tuples(st.integers(20, 300), st.integers(20, 300)),
    target=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    seed=st.integers(0, 9),
)
def test_shrinking_with_grey_gives_what_two_passes_give(
    size: tuple[int, int], target: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    pixels, grey = (rng.integers(0, 256, (*size, *channels), dtype=np.uint8) for channels in ((3,), ()))
    colour, levels = images.shrink_with_grey(pixels, grey, *target)
    assert (colour == images.resize(pixels, *target)).all()
    assert (levels == images.resize(grey, *target)).all()
