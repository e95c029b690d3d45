"""Real servers for tests and for a first try: Apache Kafka from its published jars, InfluxDB built from its source.

No container engine is needed. ``make servers`` (:mod:`servers.build`) fetches and builds both into the user's
cache folder; :mod:`servers.kafka` and :mod:`servers.influx` start, kill, suspend and restart one each, on
loopback alone; :mod:`servers.proxy` stands between a client and either and makes the network's faults;
:mod:`servers.certificates` makes what TLS needs. By hand, from a shell: ``python deploy/server.py --help``.

Errors::

    ServerError
    ├── ServerMissing   the server is not built here, or what runs it (Java) is not installed: what to do
    └── ServerFailed    it was started and ended, or was not ready in time: the end of its log
"""
