"""One frozen tree, read once: what is unknown, contradictory or secret in the wrong place is refused by name."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from katydid.streams.kafka.configuration import Configuration, read_configuration
from katydid.streams.kafka.errors import ConfigurationError
from katydid.streams.tunables import MIB


def read(tmp_path: Path, text: str, **environ: str) -> Configuration:
    path = tmp_path / "katydid.toml"
    path.write_text(text, encoding="utf-8")
    return read_configuration(path, environ)


def test_without_a_file_everything_has_an_answer() -> None:
    configuration = read_configuration(None, {})
    assert configuration.kafka.bootstrap == "127.0.0.1:9092"
    assert configuration.topics.all() == (
        "katydid.frames",
        "katydid.clips",
        "katydid.health",
        "katydid.outcomes",
        "katydid.deadletters",
    )
    assert configuration.pipeline.settings().max_bytes == 256 * MIB


def test_what_the_file_says_holds(tmp_path: Path) -> None:
    configuration = read(
        tmp_path,
        """
        [kafka]
        servers = ["a:1", "b:2"]
        group = "moor"
        [sink]
        url = "duckdb:///data/moor.duckdb"
        [models]
        names = ["birdnet"]
        [models.place]
        latitude = 53.4
        longitude = -7.9
        [models.identify]
        min_probability = 0.3
        [pipeline]
        max_earlier_mib = 2000
        workers = 3
        """,
    )
    assert configuration.kafka.bootstrap == "a:1,b:2"
    assert configuration.kafka.group == "moor"
    assert configuration.sink.url == "duckdb:///data/moor.duckdb"
    assert configuration.models.identify.min_probability == 0.3
    assert configuration.models.place is not None and configuration.models.place.latitude == 53.4
    assert configuration.pipeline.settings().workers == 3
    assert configuration.pipeline.settings().max_earlier_bytes == 2000 * MIB


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[kafka]\nservres = ['a:1']", ["servres", "$.kafka"]),
        ("[kafcka]\n", ["kafcka"]),
        ("[kafka]\nservers = ['a']", ["'a'", "HOST:PORT"]),
        ("[kafka]\nservers = []", ["$.kafka.servers"]),
        ("[kafka]\nsecurity = 'ssl'", ["$.kafka.security"]),
        ("[kafka]\nuser = 'me'", ["kafka.user"]),
        ("[kafka]\nsession_s = 2", ["heartbeat_s", "session_s"]),
        ("[kafka]\nsession_s = -1", ["$.kafka.session_s"]),
        ("[topics]\nclips = 'katydid.frames'", ["katydid.frames", "twice"]),
        ("[topics]\nclips = 'a b'", ["$.topics.clips"]),
        ("[sink]\nurl = 'mysql://x'", ["mysql://x", "duckdb:///PATH"]),
        ("[sink.sites]\n'SM4-1' = ''", ["$.sink.sites"]),
        ("[secrets]\nkafka_password = 'x'", ["KATYDID_KAFKA_PASSWORD"]),
        ("[metrics]\nport = 70000", ["$.metrics.port"]),
        ("[models.identify]\nmin_prob = 1", ["min_prob"]),
        ("kafka = ", ["TOML"]),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, text: str, names: list[str]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, text)
    assert refused.value.exit_code == 2
    assert "katydid.toml" in str(refused.value)
    for name in names:
        assert name in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml"):
        read_configuration(tmp_path / "nowhere.toml", {})


def test_scram_needs_a_user_and_a_password_from_the_environment(tmp_path: Path) -> None:
    text = "[kafka]\nsecurity = 'scram'\nuser = 'worker'"
    with pytest.raises(ConfigurationError, match="KATYDID_KAFKA_PASSWORD"):
        read(tmp_path, text)
    assert read(tmp_path, text, KATYDID_KAFKA_PASSWORD="pale").secrets.kafka_password == "pale"


def test_a_secret_may_lie_in_a_file_of_its_own_and_is_never_printed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cr3t\n", encoding="utf-8")
    configuration = read_configuration(None, {"KATYDID_INFLUX_TOKEN_FILE": str(tmp_path / "token")})
    assert configuration.secrets.influx_token == "s3cr3t"
    assert "s3cr3t" not in repr(configuration)
    with pytest.raises(ConfigurationError, match="KATYDID_INFLUX_TOKEN_FILE"):
        read_configuration(None, {"KATYDID_INFLUX_TOKEN_FILE": str(tmp_path / "gone")})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:s3cr3t@host:8086/o/b", "'http://…'"),
        ("http://me:at@sl/s3cr3t@host", "'http://…'"),
        ("postgres://host/db?password=a@s3cr3t", "'postgres://…'"),
        ("me:s3cr3t@host", "'…'"),
        ("mysql://host/db", "'mysql://host/db'"),
    ],
)
def test_a_store_that_is_none_of_ours_is_named_without_its_password(tmp_path: Path, url: str, shown: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, f"[sink]\nurl = '{url}'")
    assert "s3cr3t" not in str(refused.value)
    assert f"sink.url {shown} is neither" in str(refused.value)


def test_an_instance_is_named_after_its_machine(tmp_path: Path) -> None:
    configuration = read(tmp_path, "[kafka]\ninstance_id = 'worker-{hostname}'")
    assert configuration.kafka.instance_id == f"worker-{socket.gethostname()}"


def test_paths_are_written_as_text(tmp_path: Path) -> None:
    read_back = read(
        tmp_path,
        """
        [kafka]
        security = "tls"
        ca_file = "certificates/ca.pem"
        [models]
        directory = "/var/lib/katydid/models"
        """,
    )
    assert read_back.kafka.ca_file == Path("certificates/ca.pem")
    assert read_back.models.directory == Path("/var/lib/katydid/models")
    for wrong in ("5", '""', "[]"):
        with pytest.raises(ConfigurationError, match="ca_file"):
            read(tmp_path, f"[kafka]\nca_file = {wrong}\n")
