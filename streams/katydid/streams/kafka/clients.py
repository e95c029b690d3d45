"""How each client library wants to hear where the broker is and who we are. Nothing else knows their spelling."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from katydid.streams.kafka.configuration import MESSAGE_BYTES, Configuration, KafkaSettings
from katydid.streams.kafka.errors import ConfigurationError

if TYPE_CHECKING:
    from faust.types.auth import CredentialsT

SCRAM = "SCRAM-SHA-512"

Settings = dict[str, str | int | float | bool]


def confluent_settings(configuration: Configuration, more: Settings | None = None) -> Settings:
    """For confluent-kafka's Producer, Consumer and AdminClient; `more` comes on top."""
    kafka = configuration.kafka
    protocol = {"plaintext": "PLAINTEXT", "tls": "SSL", "scram": "SASL_SSL"}[kafka.security]
    settings: Settings = {
        "bootstrap.servers": kafka.bootstrap,
        "client.id": "katydid",
        "security.protocol": protocol,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 2000,
        "log_level": 2,  # A broker that is away would be a line a second; liveness and delivery reports tell of it.
    }
    if kafka.security != "plaintext" and kafka.ca_file is not None:
        settings["ssl.ca.location"] = str(_readable(kafka))
    if kafka.security == "scram":
        settings |= {
            "sasl.mechanism": SCRAM,
            "sasl.username": kafka.user,
            "sasl.password": configuration.secrets.kafka_password,
        }
    return settings | (more or {})


def producer_settings(configuration: Configuration) -> Settings:
    """For an idempotent producer whose word is that of all replicas in sync."""
    return confluent_settings(
        configuration,
        {
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 2,
            "message.max.bytes": MESSAGE_BYTES + 65_536,
            "queue.buffering.max.kbytes": 65_536,
            "message.timeout.ms": 300_000,
        },
    )


def faust_credentials(configuration: Configuration) -> CredentialsT | None:
    """For Faust; None where there is neither encryption nor a log-in."""
    import faust

    kafka = configuration.kafka
    if kafka.security == "plaintext":
        return None
    context = ssl_context(kafka)
    if kafka.security == "tls":
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        mechanism=SCRAM,
        username=kafka.user,
        password=configuration.secrets.kafka_password,
        ssl_context=context,
    )


def ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
    """Checks the broker's certificate and name. Raises ConfigurationError where the file is no certificate."""
    try:
        return ssl.create_default_context(cafile=None if kafka.ca_file is None else str(_readable(kafka)))
    except ssl.SSLError as error:
        raise ConfigurationError(f"kafka.ca_file: {kafka.ca_file} holds no PEM certificate: {error}") from error


def _readable(kafka: KafkaSettings) -> object:
    if kafka.ca_file is None or not kafka.ca_file.is_file():
        raise ConfigurationError(f"kafka.ca_file: there is no file {kafka.ca_file}")
    return kafka.ca_file
