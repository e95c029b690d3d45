"""An RTSP camera on loopback: JPEG over RTP inside the RTSP connection (RFC 2326, RFC 2435), with or without log-in.

JPEGs must be 4:2:0 with the standard Huffman tables, as OpenCV writes them.
"""

from __future__ import annotations

import socketserver
import struct
import time

from loopback_camera import LoopbackCamera

_MOST = 1400
_CLOCK = 90_000


class RtspServer(LoopbackCamera):
    """Sends pictures to each who plays."""

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/stream1"

    def _listening(self) -> socketserver.ThreadingTCPServer:
        camera = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                _Session(camera, self).run()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        return Server(("127.0.0.1", self.port), Handler)


class _Session:
    """One connection: requests are answered until PLAY, then pictures go out."""

    def __init__(self, camera: RtspServer, handler: socketserver.StreamRequestHandler) -> None:
        self._camera, self._in, self._out = camera, handler.rfile, handler.wfile
        self._number = 0

    def run(self) -> None:
        try:
            while self._camera.going.is_set() and (method := self._answer()):
                if method == "PLAY":
                    self._play()
                    return
        except OSError:
            return

    def _answer(self) -> str:
        """Answer one request; its method, "" at the end."""
        method, _, _ = self._in.readline().decode().partition(" ")
        fields: dict[str, str] = {}
        while (line := self._in.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        if not method:
            return ""
        start, more, body = "200 OK", "Session: 1\r\n", ""
        if self._camera.wanted and fields.get("authorization") != self._camera.wanted and method != "OPTIONS":
            start, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n'
        elif method == "OPTIONS":
            more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            body = (
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                "m=video 0 RTP/AVP 26\r\na=control:track0\r\n"
            )
            more = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        self._out.write(f"RTSP/1.0 {start}\r\nCSeq: {fields.get('cseq', '0')}\r\n{more}\r\n{body}".encode())
        return method if start == "200 OK" else "refused"

    def _play(self) -> None:
        began, k = time.monotonic(), 0
        while self._camera.going.is_set():
            for packet in self._packets(self._camera.picture(k), round(k / self._camera.fps * _CLOCK)):
                self._out.write(b"$\0" + struct.pack(">H", len(packet)) + packet)
            k += 1
            time.sleep(max(began + k / self._camera.fps - time.monotonic(), 0))

    def _packets(self, jpeg: bytes, moment: int) -> list[bytes]:
        width, height, tables, scan = _parts(jpeg)
        pieces = [scan[at : at + _MOST] for at in range(0, len(scan), _MOST)]
        packets, offset = [], 0
        for piece in pieces:
            last = offset + len(piece) == len(scan)
            self._number = (self._number + 1) & 0xFFFF
            rtp = struct.pack(">BBHII", 0x80, 26 | 0x80 * last, self._number, moment, 1)
            head = struct.pack(">IBBBB", offset, 1, 255, width // 8, height // 8)
            quantisation = b"" if offset else struct.pack(">BBH", 0, 0, len(tables)) + tables
            packets.append(rtp + head + quantisation + piece)
            offset += len(piece)
        return packets


def _parts(jpeg: bytes) -> tuple[int, int, bytes, bytes]:
    """(width, height, quantisation tables of 64 bytes each, entropy-coded data) of a baseline JPEG."""
    at, width, height, tables = 2, 0, 0, b""
    while True:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        content = jpeg[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xDB:
            tables += b"".join(content[k + 1 : k + 65] for k in range(0, len(content), 65))
        elif marker == 0xC0:
            height, width = struct.unpack(">HH", content[1:5])
        elif marker == 0xDA:
            return width, height, tables, jpeg[at:-2]
