"""What tests of the InfluxDB store say to a server, be it the fake or the real one."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Protocol

from katydid.streams.store.influx import Patience

HURRY = Patience(first_s=0.001, longest_s=0.002, same_bytes=4, total_s=20.0)
"""Pauses of a millisecond."""


class Server(Protocol):
    """What both have."""

    @property
    def url(self) -> str: ...
    @property
    def org(self) -> str: ...
    @property
    def token(self) -> str: ...
    def new_bucket(self) -> str: ...


def url_of(server: Server, bucket: str) -> str:
    """The URL of the store in a bucket."""
    return f"influx+{server.url}/{server.org}/{bucket}"


def post_lines(
    server: Server, bucket: str, body: bytes, *, token: str | None = None, encoding: str = "", **query: str
) -> tuple[int, str]:
    """Status and body of a write, by nothing but HTTP."""
    query = {"org": server.org, "bucket": bucket, "precision": "ns", **query}
    headers = {"Content-Type": "text/plain; charset=utf-8"} | ({"Content-Encoding": encoding} if encoding else {})
    return _request(server, f"/api/v2/write?{urllib.parse.urlencode(query)}", body, headers, token)


def rows(server: Server, bucket: str, query: str) -> list[list[object]]:
    """The values of an InfluxQL query, over all series."""
    form = urllib.parse.urlencode({"db": bucket, "epoch": "ns", "q": query}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    status, body = _request(server, f"/query?org={server.org}", form, headers, None)
    assert status == 200, body
    return [row for series in json.loads(body)["results"][0].get("series", []) for row in series["values"]]


def _request(server: Server, path: str, body: bytes, headers: dict[str, str], token: str | None) -> tuple[int, str]:
    headers = {**headers, "Authorization": f"Token {server.token if token is None else token}"}
    request = urllib.request.Request(server.url + path, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
