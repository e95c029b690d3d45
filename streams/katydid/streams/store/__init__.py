"""Keeping outcomes: the Store protocol, and DuckDB as the store that needs nothing else."""

from katydid.streams.store.duckdb import DuckDBStore, open_store
from katydid.streams.store.protocol import By, OutcomeFilter, Store, Window

__all__ = ["By", "DuckDBStore", "OutcomeFilter", "Store", "Window", "open_store"]
