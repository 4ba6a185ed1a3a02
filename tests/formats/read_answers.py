"""Reads answers with the tools that people use, all in one process: python read_answers.py <folder>.

The folder has <case>.arrow, .parquet, .csv, .ndjson and .xlsx. Prints JSON: case -> way of reading -> {"names", "rows", "meta", "kinds"}, each value as
one text; what a CSV or a sheet has no text for is "".
"""

import datetime
import decimal
import json
import pathlib
import re
import sys

import duckdb
import openpyxl
import pandas
import polars
import pyarrow
import pyarrow.ipc
import pyarrow.parquet


def text(value):
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return json.dumps([text(each) for each in value], ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        assert value.utcoffset() == datetime.timedelta(0), "a time without a zone"
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    return str(value)


def of_table(table):
    columns = [[text(value) for value in column.to_pylist()] for column in table.columns]
    meta = (table.schema.metadata or {}).get(b"watershed")
    rows = [list(row) for row in zip(*columns)]
    return {"names": table.column_names, "rows": rows, "meta": meta and json.loads(meta)}


def of_texts(names, rows):
    return {"names": list(names), "rows": [["" if value is None else value for value in row] for row in rows]}


def of_cell(value):
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, str):
        return re.sub("_x([0-9A-Fa-f]{4})_", lambda escape: chr(int(escape[1], 16)), value)
    return "" if value is None else text(value)


def of_workbook(xlsx):
    book = openpyxl.load_workbook(xlsx)
    header, *rows = book["rows"].iter_rows()
    assert all(cell.data_type != "f" for row in rows for cell in row), "a formula"
    meta = {name: value for name, value, *_ in book["provenance"].iter_rows(min_row=2, values_only=True)}
    read = of_texts([cell.value for cell in header], [[of_cell(cell.value) for cell in row] for row in rows])
    kinds = {
        column[0].value: sorted({type(cell.value).__name__ for cell in column[1:] if cell.value is not None})
        for column in book["rows"].iter_cols()
    }
    return {**read, "meta": meta, "kinds": kinds}


def of_frame(xlsx):
    frame = pandas.read_excel(xlsx, sheet_name="rows", dtype=object, keep_default_na=False)
    return of_texts(frame.columns, [[of_cell(value) for value in row] for row in frame.values.tolist()])


def read(case):
    kinds = ("arrow", "parquet", "csv", "ndjson", "xlsx")
    arrow, parquet, csv, ndjson, xlsx = (str(case.with_suffix(f".{kind}")) for kind in kinds)
    with pyarrow.ipc.open_stream(arrow) as stream:
        table = stream.read_all()
    frame = pandas.read_parquet(parquet, dtype_backend="pyarrow")
    strings = pandas.read_csv(csv, dtype=str, keep_default_na=False)
    polars_strings = polars.read_csv(csv, infer_schema=False)
    varchar = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in table.column_names) + "}"
    return {
        "pyarrow, arrow": of_table(table),
        "pyarrow, parquet": of_table(pyarrow.parquet.read_table(parquet)),
        "pandas, parquet": of_table(pyarrow.Table.from_pandas(frame, preserve_index=False)),
        "polars, arrow": of_table(polars.read_ipc_stream(arrow).to_arrow()),
        "polars, parquet": of_table(polars.read_parquet(parquet).to_arrow()),
        "duckdb, arrow": of_table(duckdb.from_arrow(table).to_arrow_table()),
        "duckdb, parquet": of_table(duckdb.read_parquet(parquet).to_arrow_table()),
        "pandas, csv": of_texts(strings.columns, strings.values.tolist()),
        "polars, csv": of_texts(polars_strings.columns, polars_strings.rows()),
        "duckdb, csv": of_texts(*texts(duckdb.sql(f"SELECT * FROM read_csv('{csv}', all_varchar = true, header = true)"))),
        "duckdb, ndjson": of_texts(
            *texts(duckdb.sql(f"SELECT * FROM read_json('{ndjson}', format = 'newline_delimited', columns = {varchar})"))
        ),
        "pandas, xlsx": of_frame(xlsx),
        "openpyxl, xlsx": of_workbook(xlsx),
    }


def texts(relation):
    return relation.columns, relation.fetchall()


cases = sorted(pathlib.Path(sys.argv[1]).glob("*.arrow"))
json.dump({case.stem: read(case) for case in cases}, sys.stdout)
