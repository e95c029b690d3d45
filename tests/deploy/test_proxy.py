"""The proxy's faults as a client with a plain socket meets them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from servers.ports import LOOPBACK, free_ports
from servers.proxy import Proxy

WITHIN_S = 10.0
BLOCK = bytes(range(256)) * 1024  # 256 KiB


class Echo:
    """A server that sends back whatever it gets, and remembers in which pieces it came."""

    def __init__(self) -> None:
        self.port = free_ports(1)[0]
        self.pieces: list[int] = []
        self.ended_by: list[str] = []
        self._listening = socket.create_server((LOOPBACK, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # Closed at the end of the test.
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while received := connection.recv(1 << 20):
                    self.pieces.append(len(received))
                    connection.sendall(received)
                self.ended_by.append("end")
            except OSError as error:
                self.ended_by.append(type(error).__name__)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(echo.port) as made:
        yield made


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with connected(proxy) as connection:
        yield connection


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection((LOOPBACK, proxy.port), timeout=WITHIN_S)


def receive(connection: socket.socket, count: int) -> bytes:
    """Exactly so many bytes, or fewer where the other side ended."""
    received = bytearray()
    while len(received) < count and (piece := connection.recv(count - len(received))):
        received += piece
    return bytes(received)


def round_trip(connection: socket.socket, sent: bytes = b"hello") -> float:
    began = time.monotonic()
    sender = threading.Thread(target=connection.sendall, args=(sent,))
    sender.start()
    assert receive(connection, len(sent)) == sent
    sender.join()
    return time.monotonic() - began


def wait_until(condition: object, what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    assert callable(condition)
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.005)


def test_without_a_fault_every_byte_comes_back(proxy: Proxy, client: socket.socket) -> None:
    round_trip(client, BLOCK * 8)

    wait_until(lambda: proxy.forwarded == 2 * 8 * len(BLOCK), "every byte counted, both ways")
    assert proxy.connections == 1


def test_the_end_of_one_direction_leaves_the_other_open(client: socket.socket) -> None:
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)

    assert receive(client, 100) == b"last words"


def test_a_connection_that_its_client_ends_ends_at_the_server_too(proxy: Proxy, echo: Echo) -> None:
    with connected(proxy) as client:
        round_trip(client)

    wait_until(lambda: echo.ended_by == ["end"], "the server saw the end")
    wait_until(lambda: proxy.connections == 0, "the proxy forgot the connection")


def test_a_server_that_is_not_there_ends_the_connection(proxy: Proxy) -> None:
    proxy.target = free_ports(1)[0]

    with connected(proxy) as client:
        assert client.recv(1) == b""


def test_latency_delays_a_round_trip_by_twice_itself(proxy: Proxy, client: socket.socket) -> None:
    proxy.latency_s = 0.15

    assert round_trip(client) >= 0.3


def test_latency_does_not_add_up_over_a_long_message(proxy: Proxy, client: socket.socket) -> None:
    proxy.latency_s = 0.15

    # 2 MiB are at least 32 reads: were each to wait for the one before, the way there alone would take 4.8 s.
    assert 0.3 <= round_trip(client, BLOCK * 8) < 4.8


def test_bandwidth_bounds_how_fast_a_message_passes(proxy: Proxy, client: socket.socket) -> None:
    proxy.bytes_per_s = 1_000_000.0

    # Both ways overlap, so that one way's time is what must have passed; the last piece's own pause comes after it.
    assert round_trip(client, BLOCK * 2) >= 0.9 * 2 * len(BLOCK) / 1_000_000 - 0.1


def test_pieces_arrive_small_and_whole(proxy: Proxy, echo: Echo, client: socket.socket) -> None:
    proxy.piece_bytes = 7

    round_trip(client, b"a request of forty-two bytes, in small bits")

    assert len(echo.pieces) >= 4
    assert max(echo.pieces) < 42


def test_half_open_nothing_comes_and_nobody_is_told(proxy: Proxy, echo: Echo, client: socket.socket) -> None:
    round_trip(client)
    proxy.half_open()
    client.settimeout(0.3)

    client.sendall(b"is anybody there")
    with pytest.raises(TimeoutError):
        client.recv(1)

    assert echo.ended_by == []
    assert proxy.connections == 1


def test_half_open_a_new_connection_is_accepted_and_never_served(proxy: Proxy, echo: Echo) -> None:
    proxy.half_open()

    with connected(proxy) as client:
        client.settimeout(0.3)
        client.sendall(b"hello")
        with pytest.raises(TimeoutError):
            client.recv(1)

    assert echo.pieces == []


def test_after_half_open_what_was_sent_meanwhile_arrives(proxy: Proxy, client: socket.socket) -> None:
    proxy.half_open()
    client.sendall(b"patience")

    proxy.heal()

    assert receive(client, 8) == b"patience"


def test_reset_both_ends_see_a_reset_and_a_new_connection_works(
    proxy: Proxy, echo: Echo, client: socket.socket
) -> None:
    round_trip(client)

    proxy.reset()

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    wait_until(lambda: echo.ended_by == ["ConnectionResetError"], "the server saw the reset")
    with connected(proxy) as second:
        round_trip(second)


def test_reset_ends_connections_that_are_half_open(proxy: Proxy, client: socket.socket) -> None:
    round_trip(client)
    proxy.half_open()

    proxy.reset()

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert proxy.connections == 0


def test_cut_connections_end_and_new_ones_are_refused_until_healed(
    proxy: Proxy, echo: Echo, client: socket.socket
) -> None:
    round_trip(client)

    proxy.cut()

    with contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connected(proxy)
    proxy.heal()
    with connected(proxy) as second:
        round_trip(second)


def test_healing_takes_every_fault_away(proxy: Proxy, client: socket.socket) -> None:
    proxy.latency_s, proxy.bytes_per_s, proxy.piece_bytes = 5.0, 10.0, 1

    proxy.heal()

    assert round_trip(client, BLOCK) < 5.0


def test_a_closed_proxy_has_freed_its_port(echo: Echo) -> None:
    proxy = Proxy(echo.port)
    with connected(proxy) as client:
        round_trip(client)
        proxy.close()

    with Proxy(echo.port, port=proxy.port) as again, connected(again) as client:
        round_trip(client)
