"""Reads three topics of debezium-json with Flink SQL and writes the tables that their changelogs give:

    flink_rows.py BROKER HOME RESULT
"""

import json
import os
import sys

from pyflink.common import RowKind
from pyflink.table import EnvironmentSettings, TableEnvironment

TABLES = {
    "orders": ({"id": "BIGINT", "total": "DECIMAL(12, 2)", "paid": "BOOLEAN", "due": "DATE",
                "placed": "TIMESTAMP_LTZ(6)", "note": "STRING"}, ["id"]),
    "lines": ({"order_id": "BIGINT", "line": "INT", "sku": "STRING"}, ["order_id", "line"]),
    "documents": ({"id": "INT", "title": "STRING", "body": "STRING"}, ["id"]),
}


def main(broker, home, result):
    session = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    jar = next(name for name in os.listdir(home) if name.endswith(".jar"))
    for key, value in {
        "pipeline.jars": f"file://{home}/{jar}",
        "parallelism.default": "1",
        "table.local-time-zone": "UTC",
        # Updates have but the key in `before`, and what was sent again is dropped by the primary key.
        "table.exec.source.cdc-events-duplicate": "true",
    }.items():
        session.get_config().set(key, value)
    tables = {}
    for table, (columns, keys) in TABLES.items():
        listed = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
        quoted = ", ".join(f"`{key}`" for key in keys)
        session.execute_sql(f"""CREATE TABLE `{table}` ({listed}, PRIMARY KEY ({quoted}) NOT ENFORCED) WITH (
            'connector' = 'kafka', 'topic' = 'flink.public.{table}', 'properties.bootstrap.servers' = '{broker}',
            'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
            'format' = 'debezium-json', 'debezium-json.timestamp-format.standard' = 'ISO-8601')""")
        rows = {}
        texts = ", ".join(f"CAST(`{name}` AS STRING) AS `{name}`" for name in columns)
        with session.execute_sql(f"SELECT {texts} FROM `{table}`").collect() as changes:
            for change in changes:
                row = dict(zip(columns, change))
                key = tuple(row[name] for name in keys)
                if change.get_row_kind() in (RowKind.INSERT, RowKind.UPDATE_AFTER):
                    rows[key] = row
                elif change.get_row_kind() == RowKind.DELETE:
                    del rows[key]
        tables[table] = list(rows.values())
    with open(result, "w", encoding="utf-8") as file:
        json.dump(tables, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
