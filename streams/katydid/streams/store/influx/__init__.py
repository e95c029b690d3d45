"""The store in InfluxDB 2, for the host that takes captures from Kafka. Needs the extra `kafka`.

Read `store.py` first: it is the whole of it from above. `schema.py` says what lies in a bucket.
"""

from katydid.streams.store.influx.patience import Patience
from katydid.streams.store.influx.store import InfluxStore, open_influx

__all__ = ["InfluxStore", "Patience", "open_influx"]
