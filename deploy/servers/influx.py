"""One InfluxDB 2 on loopback: set up, with one bucket a test, killed and restarted at will.

Its own data and its users, tokens and buckets live in ``folder`` and survive kills and restarts. It reports to
nobody, listens on loopback alone (its default is every interface), and bounds what queries may take; a bucket
keeps for ever, in shard groups of 30 days, as the project's own buckets do.
"""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from servers.build import find_influxd
from servers.errors import ServerFailed
from servers.files import write_private
from servers.ports import LOOPBACK, answers, free_ports, is_free
from servers.process import Server, ServerProcess

START_WITHIN_S = 60.0
ANSWER_WITHIN_S = 30.0
SHARD_GROUP_S = 30 * 24 * 3600
ORGANISATION = "katydid"
FIRST_BUCKET = "katydid"

LIMITS = [
    "--reporting-disabled",
    "--storage-cache-snapshot-write-cold-duration=30s",
    "--query-memory-bytes=500000000",
    "--query-concurrency=4",
    "--query-queue-size=16",
]


class InfluxServer(Server):
    """One InfluxDB, whose data live in ``folder``.

    Args:
        folder: its data, token and log; made where it is not there.
        port: a free one where None.
        guarded: it ends with this process, however this ends.

    Raises:
        ServerMissing: it is not built here.
    """

    org = ORGANISATION
    """The organisation that owns every bucket."""
    first_bucket = FIRST_BUCKET
    """A bucket that is there from the start."""

    def __init__(self, folder: Path, *, port: int | None = None, guarded: bool = True) -> None:
        program = find_influxd()
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_ports(1)[0]
        places = {"engine": "engine", "bolt": "influxd.bolt", "sqlite": "influxd.sqlite"}
        command = [str(program), f"--http-bind-address={LOOPBACK}:{self.port}", *LIMITS]
        command += [f"--{name}-path={self.folder / place}" for name, place in places.items()]
        self.process = ServerProcess("InfluxDB", command, self.folder / "server.log", guarded=guarded)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def token_file(self) -> Path:
        """The file that holds :attr:`token`, for its owner alone to read."""
        return self.folder / "token"

    @property
    def token(self) -> str:
        """The operator's token, which may do everything; made at the first start."""
        if not self.token_file.exists():
            write_private(self.token_file, secrets.token_urlsafe(32))
        return self.token_file.read_text()

    def start(self) -> float:
        """Start it, setting it up the first time, and wait until it answers; seconds that the start took.

        Raises:
            ServerFailed: its port is taken, or it ended, or was not ready in time, or refused the set-up.
        """
        if not self.process.running and not is_free(self.port):
            raise ServerFailed(f"port {self.port} of {LOOPBACK} is taken: InfluxDB cannot listen there")
        took = self.process.start(lambda _log: answers(self.port) and self._healthy(), START_WITHIN_S)
        if self._call("GET", "/api/v2/setup")["allowed"]:
            self._set_up()
        return took

    def new_bucket(self, name: str | None = None) -> str:
        """A new, empty bucket that keeps for ever, in shard groups of 30 days; its name, by default one of its own."""
        chosen = name or f"test-{uuid.uuid4().hex[:12]}"
        body = {"orgID": self._organisation_id(), "name": chosen, "retentionRules": [KEEP_FOR_EVER]}
        self._call("POST", "/api/v2/buckets", body)
        return chosen

    def new_token(self, bucket: str, *, read: bool = False, write: bool = False) -> str:
        """A token with just these rights on one bucket."""
        organisation = self._organisation_id()
        resource = {"type": "buckets", "id": self._bucket(bucket)["id"], "orgID": organisation}
        actions = [action for action, granted in (("read", read), ("write", write)) if granted]
        permissions = [{"action": action, "resource": resource} for action in actions]
        made = self._call("POST", "/api/v2/authorizations", {"orgID": organisation, "permissions": permissions})
        return str(made["token"])

    def shard_group_s(self, bucket: str) -> int:
        """How long one shard group of a bucket lasts, seconds."""
        return int(self._bucket(bucket)["retentionRules"][0]["shardGroupDurationSeconds"])

    def _set_up(self) -> None:
        """The first user, organisation and bucket; then the shard groups, which set-up cannot be told."""
        body = {"username": "katydid", "password": secrets.token_urlsafe(18), "org": ORGANISATION}
        body |= {"bucket": FIRST_BUCKET, "token": self.token}
        made = self._call("POST", "/api/v2/setup", body)
        self._call("PATCH", f"/api/v2/buckets/{made['bucket']['id']}", {"retentionRules": [KEEP_FOR_EVER]})

    def _organisation_id(self) -> str:
        return str(self._call("GET", f"/api/v2/orgs?org={ORGANISATION}")["orgs"][0]["id"])

    def _bucket(self, name: str) -> Any:
        return self._call("GET", f"/api/v2/buckets?org={ORGANISATION}&name={name}")["buckets"][0]

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=ANSWER_WITHIN_S) as answer:
                return bool(json.load(answer)["status"] == "pass")
        except (OSError, urllib.error.URLError):
            return False

    def _call(self, method: str, path: str, body: object = None) -> Any:
        """One request to its HTTP API, as the operator; the answer's JSON, which has no type of ours."""
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ServerFailed(f"InfluxDB answered {method} {path} with {error.code}: {error.read()!r}") from error


KEEP_FOR_EVER = {"type": "expire", "everySeconds": 0, "shardGroupDurationSeconds": SHARD_GROUP_S}
