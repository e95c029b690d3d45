"""Where a camera is, and what may be said of it: passwords go to the camera and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from katydid.sensors import images
from katydid.sensors.errors import SourceError
from katydid.sensors.limits import Limits
from katydid.sensors.sources.camera_stream import Picture, open_stream, read_address
from mjpeg_server import MjpegServer, jpeg, noisy
from rtsp_server import RtspServer


def test_a_number_is_a_device() -> None:
    address = read_address("2")
    assert (address.target, address.live, address.network, address.name) == (2, True, False, "camera-2")


def test_a_path_is_a_film_and_names_its_sensor() -> None:
    address = read_address("films/GX 010023.MP4")
    assert (address.target, address.live, address.name) == (str(Path("films/GX 010023.MP4")), False, "GX-010023")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://user:s3cret@10.0.0.7:554/stream1", "rtsp://10.0.0.7:554/stream1"),
        ("http://user:s3cret@camera.local/video?key=s3cret&x=1", "http://camera.local/video?…"),
        ("rtsp://10.0.0.7/user=admin_password=s3cret_channel=1/0.sdp", "rtsp://10.0.0.7/user=…/0.sdp"),
        ("rtsp://user:s3cret@[fe80::1]:554/a", "rtsp://[fe80::1]:554/a"),
    ],
)
def test_what_is_shown_of_an_address_has_no_secret(text: str, shown: str) -> None:
    address = read_address(text)
    assert address.shown == shown
    assert address.target == text
    assert "s3cret" not in repr(address) + address.name


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://user:12/s3cret@host/stream",
        "rtsp://user:12#s3cret@host/stream",
        "rtsp://user:12?s3cret@host/stream",
        "rtsp://user:s3cret#x@host/stream",
        "rtsp://us@er:12/s3cret@host/stream",
        "rtsp://[user:s3cret@host/stream",
        "rtsp://",
        "ftp://user:s3cret@host/film",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(SourceError) as told:
        read_address(text)
    assert "s3cret" not in str(told.value)
    assert told.value.__cause__ is None


def test_a_password_from_elsewhere_goes_into_an_address_that_has_a_user_and_none() -> None:
    assert read_address("rtsp://user@host:1/a", password="p/w@1").target == "rtsp://user:p%2Fw%401@host:1/a"
    assert read_address("rtsp://user:own@host/a", password="other").target == "rtsp://user:own@host/a"
    assert read_address("rtsp://host/a", password="other").target == "rtsp://host/a"


def test_a_camera_that_wants_a_login_gets_it() -> None:
    picture = jpeg(noisy(1))
    with MjpegServer(lambda k: picture, login="us@er:se/cret") as server:
        host = f"127.0.0.1:{server.port}"
        assert open_stream(read_address(f"http://{host}/video"), Limits()) is None
        stream = open_stream(read_address(f"http://us%40er@{host}/video", password="se/cret"), Limits())
        assert stream is not None and stream.grab()
        found = stream.picture()
        stream.close()
    assert found is not None and found.data == picture


def test_rtsp_gives_the_pictures_that_its_camera_sent_with_and_without_a_login() -> None:
    pictures = [jpeg(noisy(k)) for k in range(20)]
    for login, whom in (("", ""), ("us@er:se/cret", "us%40er@")):
        with RtspServer(lambda k: pictures[k % 20], login=login) as server:
            address = read_address(server.url.replace("//", f"//{whom}"), password="se/cret")
            if login:
                assert open_stream(read_address(server.url), Limits()) is None
            stream = open_stream(address, Limits())
            assert stream is not None
            for k in range(5):
                assert stream.grab()
                found = stream.picture()
                assert found is not None and found.data is not None
                # RTP leaves a JPEG's header out, and FFmpeg writes another; the picture is the same.
                wanted = images.decode(pictures[k], Limits()).pixels
                assert np.array_equal(images.decode(found.data, Limits()).pixels, wanted)
            stream.close()


def test_two_pictures_have_one_signature_only_where_they_are_the_same() -> None:
    assert Picture(pixels=noisy(1)).signature() == Picture(pixels=noisy(1)).signature()
    assert Picture(pixels=noisy(1)).signature() != Picture(pixels=noisy(2)).signature()
    assert Picture(data=b"a").signature() != Picture(data=b"b").signature()


def test_the_small_grey_picture_is_that_of_the_whole() -> None:
    colours = noisy(1, size=(640, 480))
    colours[:, :] = (0, 0, 255)  # Red, as OpenCV has it: 0.299 of 255 by ITU-R BT.601.
    for picture in (Picture(pixels=colours), Picture(data=jpeg(colours))):
        grey = picture.grey()
        assert grey.shape == (240, 320)
        assert abs(float(grey.mean()) - 76.2) < 1.5
