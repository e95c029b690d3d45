"""The Kafka host needs packages that the base install does not have."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from katydid.models.errors import MissingExtra

PACKAGES = ("faust", "aiokafka", "confluent_kafka", "prometheus_client")


def need_extra() -> None:
    """Raises MissingExtra that says what to install."""
    for name in PACKAGES:
        if name not in sys.modules and find_spec(name) is None:
            raise MissingExtra(name, "kafka", "the Kafka host")
