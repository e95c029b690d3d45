"""What can go wrong around the broker.

KatydidError
└── StreamError
    ├── ConfigurationError   the configuration file is not one, or says what cannot be                exit code 2
    ├── StoreAway            the store did not come back in time before a stop                        exit code 75
    └── BrokerError          a broker, a topic, a group or a right that a worker cannot do without    exit code 7
        ├── MessageTooLarge  a topic takes no message of this size
        └── BrokerAway       nobody answers there now; worth another try                              exit code 75
"""

from __future__ import annotations

from katydid.streams.errors import StreamError


class ConfigurationError(StreamError):
    """Names the file, the section and the key, and says what may stand there."""

    exit_code = 2


class StoreAway(StreamError):
    """Told to stop while the store was away; nothing is wrong with the worker."""

    exit_code = 75


class BrokerError(StreamError):
    """Something that another try will not mend: the message says what to create, grant or change."""

    exit_code = 7


class MessageTooLarge(BrokerError):
    """A topic's limit is below the 12 MiB that all are made with."""


class BrokerAway(BrokerError):
    """Supervisors start the process again after a pause (75 is EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75
