"""Reads the Delta tables of a lake with each reader, and follows one while it grows. Usage: read_tables.py read|follow <folder> [<stop file>]"""
import json
import os
import sys
import time

import polars
from deltalake import DeltaTable


def rows_of(folder):
    """Rows by reader, and the values of the first reader as text."""
    table = DeltaTable(folder)
    arrow = table.to_pyarrow_table()
    return {
        "version": table.version(),
        "counted": table.metadata().configuration,
        "columns": {field.name: str(field.type) for field in arrow.schema},
        "deltalake": arrow.num_rows,
        "pandas": len(table.to_pandas()),
        "polars": polars.read_delta(folder).height,
        "rows": [{name: None if value is None else str(value) for name, value in row.items()} for row in arrow.to_pylist()],
    }


def follow(folder, stop):
    """Every version that was seen: how many rows it has in each partition, and what it says that it counts."""
    seen = {}
    while True:
        last = os.path.exists(stop)
        if os.path.exists(os.path.join(folder, "_delta_log", "0" * 20 + ".json")):
            table = DeltaTable(folder)
            if table.version() not in seen:
                offsets = table.to_pyarrow_table(columns=["_partition", "_offset"]).to_pandas()
                counts = offsets.groupby("_partition")["_offset"].agg(["count", "nunique", "max"])
                seen[table.version()] = {
                    "boundary": json.loads(table.metadata().configuration["watershed.boundary"]),
                    "partitions": {str(index): [int(value) for value in row] for index, row in zip(counts.index, counts.values)},
                }
        if last:
            return seen
        time.sleep(0.01)


if __name__ == "__main__":
    action, folder = sys.argv[1], sys.argv[2]
    print(json.dumps(rows_of(folder) if action == "read" else follow(folder, sys.argv[3])))
