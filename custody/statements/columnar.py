"""A process that packs a statement's rows into a Parquet file: JSON in, the file out."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

PRECISION = 38  # what decimal128 holds; a bigint needs 19


def pack(content: dict[str, Any]) -> bytes:
    amount = pa.decimal128(PRECISION, content["scale"])
    types: dict[str, tuple[Any, Callable[[str], object]]] = {
        "time_utc": (pa.timestamp("us", tz="UTC"), datetime.fromisoformat),
        "seal": (pa.int64(), int),
        "entry": (pa.int64(), int),
        "amount": (amount, Decimal),
        "balance": (amount, Decimal),
    }
    columns = {}
    for at, name in enumerate(content["names"]):
        kind, read = types.get(name, (pa.string(), str))
        values = [None if row[at] is None else read(row[at]) for row in content["rows"]]
        columns[name] = pa.array(values, kind)
    table = pa.table(columns).replace_schema_metadata(content["metadata"])
    file = BytesIO()
    pq.write_table(table, file, compression="zstd", store_schema=True)
    return file.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(pack(json.load(sys.stdin.buffer)))
