"""What must be true of a server and its bucket before anything is written.

Asked when a store is opened, and by `katydid store check`.

The findings say what to do. Nothing is changed, but for one thing: in a bucket that is still empty the shard groups
are made 30 days long. InfluxDB's own 7 days cost twice the memory and three times the restart, and cannot be changed
for what has been written.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from katydid.streams.errors import StoreUnreachable
from katydid.streams.store.influx.answers import NoAnswer, Refusal
from katydid.streams.store.influx.connection import Connection, not_influx
from katydid.streams.store.influx.patience import PATIENT
from katydid.streams.store.influx.schema import MEASUREMENTS, FieldType

DAY_S = 86_400
SHARD_GROUP_S = 30 * DAY_S
NOTHING = b"# katydid asks whether it may write"
"""A comment: the server checks bucket and token, and stores nothing."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    good: bool
    said: str
    """What is there, and for what is not good what to do."""
    fatal: bool = True
    """Whether it forbids writing, where it is not good."""


class _Rule(msgspec.Struct):
    every: int = msgspec.field(default=0, name="everySeconds")
    shard_group: int = msgspec.field(default=0, name="shardGroupDurationSeconds")


class _Bucket(msgspec.Struct):
    id: str
    name: str
    rules: list[_Rule] = msgspec.field(default_factory=list, name="retentionRules")


class _Buckets(msgspec.Struct):
    buckets: list[_Bucket] = []


_decode_buckets = msgspec.json.Decoder(_Buckets).decode


async def check(connection: Connection, *, mend: bool) -> list[Finding]:
    """Everything, in order; what cannot be asked because of an earlier finding is left out. `mend` allows to set the
    shard groups of an empty bucket. Raises nothing for what the server says or does not say."""
    findings: list[Finding] = []
    try:
        for step in (_reachable, _writable, _types):
            findings.append(await step(connection))
            if not findings[-1].good:
                return findings
        findings += await _bucket(connection, mend)
    except NoAnswer as error:
        findings.append(_unreachable(connection, str(error)))
    except StoreUnreachable as error:
        findings.append(Finding("server", False, f"{connection.address.server}: {error}"))
    return findings


async def _reachable(connection: Connection) -> Finding:
    try:
        await connection.api("GET", "/ping")
    except Refusal as refusal:
        return Finding("server", False, f"{connection.address.server} answers {refusal}: is that an InfluxDB 2?")
    return Finding("server", True, f"{connection.address.server} answers")


def _unreachable(connection: Connection, why: str) -> Finding:
    server = connection.address.server
    return Finding("server", False, f"{server} does not answer ({why}): is InfluxDB running, and the address right?")


def _in_trouble(refusal: Refusal) -> bool:
    return refusal.status >= 500 or refusal.status in PATIENT


def _troubled(connection: Connection, refusal: Refusal) -> Finding:
    return Finding("server", False, f"{connection.address.server} has troubles of its own ({refusal}): see its log")


async def _writable(connection: Connection) -> Finding:
    address = connection.address
    try:
        await connection.write(NOTHING)
    except Refusal as refusal:
        if _in_trouble(refusal):
            return _troubled(connection, refusal)
        remedy = _NOT_WRITABLE.get(refusal.status, "see the server's log")
        return Finding("token", False, f"{address}: {refusal}; {remedy.format(address=address)}")
    return Finding("token", True, f"may write to {address}")


_NOT_WRITABLE = {
    401: "the token is not accepted: set KATYDID_INFLUX_TOKEN to a token of this server",
    403: "the token may not write: make one with `influx auth create --org {address.org} --read-bucket ID "
    "--write-bucket ID`",
    404: "there is no such bucket for this token: make it with `influx bucket create --org {address.org} "
    "--name {address.bucket} --retention 0 --shard-group-duration 30d`, or look at the names in the URL",
}


async def _types(connection: Connection) -> Finding:
    """Each field has one type, and that of the schema."""
    kinds: dict[tuple[str, str], set[str]] = {}
    try:
        for each in MEASUREMENTS:
            for row in await connection.ask(f'SHOW FIELD KEYS FROM "{each.name}"'):
                kinds.setdefault((each.name, str(row["fieldKey"])), set()).add(str(row["fieldType"]))
    except Refusal as refusal:
        if _in_trouble(refusal):
            return _troubled(connection, refusal)
        remedy = "the token must also be allowed to read the bucket"
        return Finding("fields", False, f"the types of the fields cannot be read ({refusal}); {remedy}")
    wrong = [_conflict(key, types) for key, types in sorted(kinds.items()) if types != {_expected(*key, types)}]
    if wrong:
        return Finding("fields", False, "; ".join(wrong) + f". {_NEW_BUCKET}")
    return Finding("fields", True, f"{len(kinds)} fields, each of one type")


_NEW_BUCKET = (
    "A field with two types hides rows from every query: write into a new bucket, and replay the outcomes topic into it"
)


def _expected(measurement: str, name: str, types: set[str]) -> str:
    stem, _, number = name.rpartition("_")
    if number.isdecimal():  # evidence_2, …
        name = stem
    known = _SCHEMA.get(measurement, {}).get(name)
    return str(known) if known else sorted(types)[0]


_SCHEMA: Mapping[str, Mapping[str, FieldType]] = {each.name: each.fields for each in MEASUREMENTS}


def _conflict(key: tuple[str, str], types: set[str]) -> str:
    expected = _expected(*key, types)
    return f"field {key[1]} of {key[0]} has type {' and '.join(sorted(types))}, and should be {expected}"


async def _bucket(connection: Connection, mend: bool) -> list[Finding]:
    """Retention and shard groups. A token that may not look at buckets is no obstacle."""
    address = connection.address
    query = [("org", address.org), ("name", address.bucket)]
    try:
        buckets = _decode_buckets(await connection.api("GET", "/api/v2/buckets", query)).buckets
        bucket = next(bucket for bucket in buckets if bucket.name == address.bucket)
    except (Refusal, StopIteration):
        unknown = "the token may not look at the bucket itself: retention and shard groups are not known"
        return [Finding("bucket", False, unknown, fatal=False)]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise not_influx("a list of buckets that is none") from error
    rule = bucket.rules[0] if bucket.rules else _Rule()
    return [_retention(rule), await _shard_groups(connection, bucket, rule, mend)]


def _retention(rule: _Rule) -> Finding:
    if rule.every == 0:
        return Finding("retention", True, "for ever")
    days = rule.every / DAY_S
    remedy = "`influx bucket update --retention 0` ends that"
    said = f"{days:g} days: older captures are deleted, and late ones refused. {remedy}"
    return Finding("retention", False, said, fatal=False)


async def _shard_groups(connection: Connection, bucket: _Bucket, rule: _Rule, mend: bool) -> Finding:
    days = rule.shard_group / DAY_S
    if rule.shard_group >= SHARD_GROUP_S:
        return Finding("shard groups", True, f"{days:g} days")
    empty = not await connection.ask("SHOW MEASUREMENTS")
    if empty and mend:
        rules = {
            "retentionRules": [
                {"type": "expire", "everySeconds": rule.every, "shardGroupDurationSeconds": SHARD_GROUP_S}
            ]
        }
        try:
            await connection.api("PATCH", f"/api/v2/buckets/{bucket.id}", body=rules)
        except Refusal as refusal:
            return Finding(
                "shard groups", False, f"{days:g} days, and cannot be changed ({refusal}). {_LONGER}", fatal=False
            )
        return Finding("shard groups", True, f"were {days:g} days in the empty bucket, now 30")
    return Finding("shard groups", False, f"{days:g} days. {_LONGER}", fatal=False)


_LONGER = (
    "30 days take half the memory and a third of the restart: `influx bucket update --shard-group-duration 30d`, "
    "before anything is written"
)
