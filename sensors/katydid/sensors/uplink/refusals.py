"""What a broker's no means, and what to check: librdkafka's words are for its authors.

Everything else that librdkafka reports (broker away, connection cut, leader moving) is retried without end.
"""

from __future__ import annotations

from confluent_kafka import KafkaError

from katydid.sensors.errors import UplinkError

_BAD_CERTIFICATE = ("certificate verify failed", "could not be verified", "unable to get", "tlsv1 alert", "hostname")
_AWAY = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._SSL,
        KafkaError._STATE,
    }
)
_UNKNOWN_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.TOPIC_EXCEPTION,
    }
)
_UNAUTHORISED = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})


def of_connection(error: KafkaError, *, user: str, servers: str) -> UplinkError | None:
    """The refusal behind an error of the whole client; None for what another try may mend."""
    code, words = error.code(), error.str()
    if code in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED):
        return UplinkError(
            f"{servers} refuses the log-in of {user or 'nobody'!r}: check the user in the configuration, the password "
            "in KATYDID_KAFKA_PASSWORD, and that the user is there (`katydid topics user list`). "
            f"The broker says: {words}"
        )
    if code == KafkaError._SSL and any(sign in words.lower() for sign in _BAD_CERTIFICATE):
        return UplinkError(
            f"the certificate of {servers} is not trusted: check ca_file in the configuration (the CA that signed the "
            "broker's certificate) and that the host name is one that the certificate names. OpenSSL says: " + words
        )
    if error.fatal():
        return UplinkError(f"the producer cannot go on; what was acknowledged is noted, run it again: {words}")
    return None


def of_delivery(error: KafkaError, topic: str, size: int, what: str) -> UplinkError:
    """Why a message was given back; librdkafka has retried whatever could be."""
    code = error.code()
    if code in _TOO_LARGE:
        return UplinkError(
            f"{what}: {size:,} bytes are more than the topic {topic} takes. Katydid's topics take 12 MiB: check "
            f"max.message.bytes of the topic and message.max.bytes of the broker (`katydid topics check`)"
        )
    return of_topic(error, topic) or UplinkError(f"{what}: the broker did not take it for {topic}: {error.str()}")


def of_topic(error: KafkaError, topic: str) -> UplinkError | None:
    """The refusal behind an error about a topic; None for what another try may mend."""
    code = error.code()
    if code in _UNKNOWN_TOPIC:
        return UplinkError(
            f"there is no topic {topic}: make the topics with `katydid topics create`, or name others under [topics] "
            "in the configuration"
        )
    if code in _UNAUTHORISED:
        return UplinkError(
            f"this user may not write to {topic}: a device needs WRITE on its topic (`katydid topics user add`); a "
            "user that was revoked has none"
        )
    return None


def advice(error: KafkaError) -> str:
    """One line about an error that is retried: what it is and what to look at if it stays."""
    words = error.str().splitlines()[0] if error.str() else error.name()
    if error.code() == KafkaError._RESOLVE:
        return f"{words}: is the host name right?"
    if "SSL" in words or "PLAINTEXT" in words:
        return f'{words}: does security ("plaintext", "tls", "scram") fit the port?'
    if error.code() in _AWAY:
        return f'{words}: is the broker up, and does security ("plaintext", "tls", "scram") fit the port?'
    return words
