"""
Reads the Delta tables of a lake with each reader, and follows one while it grows: a folder, or s3://… with what STORAGE says.
Usage: read_tables.py read <table>… | follow <table> <stop file>
"""
import json
import os
import sys
import time

import polars
from deltalake import DeltaTable, QueryBuilder

# options of object stores, as JSON; none for folders
STORAGE = json.loads(os.environ.get("STORAGE", "null"))


def rows_of(folder):
    """Rows by reader, and the values of the first reader as text."""
    table = DeltaTable(folder, storage_options=STORAGE)
    arrow = table.to_pyarrow_table()
    return {
        "version": table.version(),
        "counted": table.metadata().configuration,
        "columns": {field.name: str(field.type) for field in arrow.schema},
        "deltalake": arrow.num_rows,
        "pandas": len(table.to_pandas()),
        "polars": polars.read_delta(folder, storage_options=STORAGE).height,
        "largest": largest(table, arrow),
        "rows": [{name: None if value is None else str(value) for name, value in row.items()} for row in arrow.to_pylist()],
    }


def largest(table, arrow):
    """The largest value of each number or time: as a query has it that may use the bounds in the log, and as the rows have it."""
    names = [field.name for field in arrow.schema if str(field.type) in ("int32", "int64", "timestamp[us]")]
    items = ", ".join(f'max("{name}") as "{name}"' for name in names)
    asked = QueryBuilder().register("t", table).execute(f"select {items} from t").read_all()
    return [[name, str(asked[name][0].as_py()), str(max((value for value in arrow[name].to_pylist() if value is not None), default=None))] for name in names]


def follow(folder, stop):
    """Every version that was seen: how many rows it has in each partition, and what it says that it counts."""
    seen = {}
    while True:
        last = os.path.exists(stop)
        if DeltaTable.is_deltatable(folder, storage_options=STORAGE):
            table = DeltaTable(folder, storage_options=STORAGE)
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
    action, *tables = sys.argv[1:]
    print(json.dumps([rows_of(table) for table in tables] if action == "read" else follow(*tables)))
