"""Where an InfluxDB store is: `influx+http://HOST:PORT/ORG/BUCKET`, or `influx+https://…`."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import msgspec

from katydid.streams.errors import StoreUnusable

SCHEMES = ("influx+http", "influx+https")
DEFAULT_PORT = 8086


class Address(msgspec.Struct, frozen=True):
    """A bucket of an organisation on a server."""

    server: str
    """For example "http://127.0.0.1:8086"."""
    org: str
    bucket: str

    def __str__(self) -> str:
        return f"bucket {self.bucket} of organisation {self.org} at {self.server}"


def parse_address(url: str) -> Address:
    """Raises StoreUnusable with what is wrong. Secrets have no place in a URL, which ends in logs."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise StoreUnusable(f"that is no URL ({error}): write {_SHAPE}") from error
    if parts.scheme not in SCHEMES:
        raise StoreUnusable(f"{parts.scheme or url} is no InfluxDB store: write {_SHAPE}")
    if parts.username is not None or parts.password is not None or parts.query:
        raise StoreUnusable("no token or password in the store's URL: set KATYDID_INFLUX_TOKEN instead")
    names = [unquote(part) for part in parts.path.strip("/").split("/")]
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise StoreUnusable(f"the port in {url} is no port ({error}): write {_SHAPE}") from error
    if not parts.hostname or len(names) != 2 or not all(names):
        raise StoreUnusable(f"{url} must name server, organisation and bucket: write {_SHAPE}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(f"{parts.scheme.removeprefix('influx+')}://{host}:{port}", *names)


_SHAPE = "influx+http://HOST:PORT/ORGANISATION/BUCKET"
