"""`katydid worker`: take captures from Kafka, identify them, keep their outcomes."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def worker(
    config: Path | None = typer.Option(
        None, "--config", "-c", metavar="FILE", help="TOML file; docs/kafka.md lists every key."
    ),
    sink: str | None = typer.Option(
        None, "--sink", metavar="URL", help="Keep this store from the topic of outcomes; no model runs here."
    ),
    instance: str | None = typer.Option(
        None,
        "--instance",
        metavar="NAME",
        help='Static member, unique for each live worker; "{hostname}" in it becomes this machine.',
    ),
) -> None:
    """Take captures from Kafka, identify them, keep their outcomes.

    With --sink a second store is kept from the topic of outcomes instead, for example duckdb:///data/moor.duckdb.
    Runs until it is told to stop (Ctrl-C, SIGTERM). Exit codes: 0 told to stop, 2 configuration, 7 the broker, its
    topics or rights are not as they must be, 75 try again.

    Example:  katydid worker --config katydid.toml
    """
    from katydid.streams.kafka.configuration import read_configuration, with_instance, with_sink
    from katydid.streams.kafka.extra import need_extra

    need_extra()
    configuration = read_configuration(config, os.environ)
    if instance is not None:
        configuration = with_instance(configuration, instance)
    from katydid.streams.kafka.logs import set_up

    set_up()
    if sink is not None:
        from katydid.streams.kafka.store_host import run_keeper

        run_keeper(with_sink(configuration, sink))
        return
    from katydid.streams.kafka.host import run_worker

    run_worker(configuration)
