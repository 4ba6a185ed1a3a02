"""
Reads the Delta tables of a lake with Spark. The work is JSON on standard input, the answers are JSON on standard output:
{"tables": {name: path}, "conditions": [SQL over the events], "extremes": SQL, "versions": [number]}
"""
import decimal
import json
import sys
import tempfile

from pyspark.sql import SparkSession

DELTA = "org.apache.spark.sql.delta.catalog.DeltaCatalog"
SETTINGS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": DELTA,
    # As small as the tables are.
    "spark.driver.memory": "700m",
    # Most of the time goes into loading and compiling classes.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}


def plain(value):
    """A value as JSON has it: whole numbers and decimals as text with all of their digits, times as text."""
    if value is None or isinstance(value, (bool, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return format(value, "f") if isinstance(value, decimal.Decimal) else str(value)


def rows_of(frame):
    return [{name: plain(value) for name, value in row.asDict().items()} for row in frame.collect()]


def streamed(spark, path, folder):
    """The events that a stream has that begins with the first version."""
    batches = []
    stream = spark.readStream.format("delta").option("startingVersion", 0).option("skipChangeCommits", "true").load(path)
    offsets = stream.select("_partition", "_offset").writeStream.foreachBatch(lambda frame, _: batches.append(rows_of(frame)))
    offsets.option("checkpointLocation", folder).trigger(availableNow=True).start().awaitTermination()
    return [row for batch in batches for row in batch]


def main(work, folder):
    builder = SparkSession.builder.master("local[2]")
    for name, value in {**SETTINGS, "spark.sql.warehouse.dir": folder}.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    events = f"delta.`{work['tables']['events']}`"
    counts = [f"SELECT {index} AS i, count(*) AS n FROM {events} WHERE {each}" for index, each in enumerate(work["conditions"])]
    versions = [
        f"SELECT {version} AS version, _partition, count(*) AS n, count(DISTINCT _offset) AS different, max(_offset) AS last FROM {events} VERSION AS OF {version} GROUP BY _partition"
        for version in work["versions"]
    ]
    return {
        "rows": {name: rows_of(spark.read.format("delta").load(path)) for name, path in work["tables"].items()},
        "counts": rows_of(spark.sql(" UNION ALL ".join(counts))),
        "extremes": rows_of(spark.sql(f"SELECT {work['extremes']} FROM {events}")),
        "versions": rows_of(spark.sql(" UNION ALL ".join(versions))),
        "history": [
            {"version": row["version"], **row["operationParameters"]} for row in spark.sql(f"DESCRIBE HISTORY {events}").collect()
        ],
        "properties": {row["key"]: row["value"] for row in spark.sql(f"SHOW TBLPROPERTIES {events}").collect()},
        "streamed": streamed(spark, work["tables"]["events"], f"{folder}/stream"),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(main(json.load(sys.stdin), folder)))
