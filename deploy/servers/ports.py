"""Free ports on loopback, outside the range that outgoing connections take theirs from.

A server that is killed and started again must find its port free. A port of the ephemeral range (from 32768 on
Linux, 49152 on macOS and Windows) may by then be the near end of some outgoing connection; worse, a client that
keeps trying a dead port of that range can connect to itself and hold it. So ports come from below it.
"""

from __future__ import annotations

import os
import random
import socket

LOOPBACK = "127.0.0.1"
LOWEST, HIGHEST = 20_000, 31_999


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name != "nt":
            # As servers do: closed connections that the kernel still remembers do not count. Windows means
            # otherwise by it.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something accepts connections on this port of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_ports(count: int) -> list[int]:
    """Different free ports, chosen at random so that two test runs on one machine seldom meet.

    Raises:
        OSError: a thousand draws did not find enough.
    """
    found: set[int] = set()
    for _ in range(1_000):
        port = random.randint(LOWEST, HIGHEST)
        if port not in found and is_free(port):
            found.add(port)
        if len(found) == count:
            return list(found)
    raise OSError(f"no {count} free ports of {LOOPBACK} between {LOWEST} and {HIGHEST}")
