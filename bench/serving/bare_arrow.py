"""Writes rows as an Arrow stream with DuckDB and PyArrow, as stdin says (BareExport, JSON); writes what it took to stdout."""
import json
import os
import sys
import time

import duckdb
import pyarrow

asked = json.load(sys.stdin)
folder = asked["folder"]
connection = duckdb.connect(
    config={
        "threads": asked["threads"],
        "memory_limit": f"{asked['memoryMb']}MB",
        "temp_directory": os.path.join(folder, "spill"),
    }
)
began, cpu = time.perf_counter(), time.process_time()
reader = connection.sql(asked["select"]).to_arrow_reader(65_536)
with pyarrow.OSFile(os.path.join(folder, "bare"), "wb") as sink, pyarrow.ipc.new_stream(sink, reader.schema) as writer:
    for batch in reader:
        writer.write_batch(batch)
json.dump({"seconds": time.perf_counter() - began, "cpuSeconds": time.process_time() - cpu}, sys.stdout)
