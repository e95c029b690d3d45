"""Passwords, tokens and certificates for `docker-compose.yml`: `python deploy/make_secrets.py [HOST]…`, once.

Writes deploy/secrets/, which git ignores; what is there already is left as it is, so it can be run again. HOST are
names and addresses under which devices reach the broker, beside `kafka` and this machine's own. The certificate holds
for a year: delete ca.pem and broker.pem, run this again, give the new ca.pem to the devices, and start the broker anew.

The folder is its owner's alone. The files in it can be read by anyone who gets there, since the users inside the
containers, to whom they are mounted one by one, have other numbers than their owner here.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from servers.certificates import LOCAL_HOSTS, Authority

FOLDER = Path(__file__).resolve().parent / "secrets"
WORDS = ("kafka_admin_password", "kafka_worker_password", "influx_password", "influx_token", "grafana_password")


def make(folder: Path, hosts: Sequence[str] = ()) -> list[str]:
    """Write what is missing in `folder`; returns the names of what was written."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    written = [name for name in WORDS if _write(folder / name, secrets.token_urlsafe(24))]
    if not (folder / "objects.json").exists() or not (folder / "objects_credentials").exists():
        written += _objects(folder, secrets.token_hex(10), secrets.token_hex(20))
    if not (folder / "ca.pem").exists() or not (folder / "broker.pem").exists():
        written += _certificates(folder, ("kafka", *LOCAL_HOSTS, *hosts))
    return written


def _write(path: Path, text: str) -> bool:
    if path.exists():
        return False
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
    return True


def _objects(folder: Path, key: str, secret: str) -> list[str]:
    """One user of the object store: as the store reads it, and as its clients do."""
    identity = {
        "name": "katydid",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    files = {
        "objects.json": json.dumps({"identities": [identity]}, indent=1),
        "objects_credentials": f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n",
    }
    for name, text in files.items():
        (folder / name).unlink(missing_ok=True)
        _write(folder / name, text)
    return list(files)


def _certificates(folder: Path, hosts: Sequence[str]) -> list[str]:
    """An authority whose key is kept nowhere, and what it signed for the broker: key, certificate and authority."""
    authority = Authority("Katydid")
    authority.write(folder / "ca.pem")
    authority.issue("broker", hosts).write(folder / "broker.pem")
    for name in ("ca.pem", "broker.pem"):
        (folder / name).chmod(0o644)
    return ["ca.pem", "broker.pem"]


if __name__ == "__main__":
    made = make(FOLDER, sys.argv[1:])
    sys.stdout.write(f"{FOLDER}: {', '.join(made) or 'everything was there'}\n")
