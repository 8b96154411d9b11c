"""Deletion vectors and mapped columns, which delta-rs reads and does not write."""

from __future__ import annotations

import json
import struct

import obstore

from klarity_storage.tables.location import TableLocation, open_store


def z85(data: bytes) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    text = ""
    for (number,) in struct.iter_unpack(">I", data):
        text += "".join(digits[number // 85**power % 85] for power in range(4, -1, -1))
    return text


def delete_by_vector(location: TableLocation, deleted: list[int]) -> None:
    """Mark rows of a table's one file as deleted, as Spark does and delta-rs does not."""
    store = open_store(location)
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(deleted) - 1, 16)
    bitmap += struct.pack(f"<{len(deleted)}H", *deleted)
    vector = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    entry = bytes(obstore.get(store, f"_delta_log/{0:020d}.json").bytes()).splitlines()
    actions = {key: value for line in entry for key, value in json.loads(line).items()}
    path, stats = actions["add"]["path"], json.loads(actions["add"]["stats"])
    metadata = actions["metaData"]
    metadata["configuration"] = {"delta.enableDeletionVectors": "true"}
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    added = actions["add"] | {
        "stats": json.dumps(stats | {"tightBounds": False}),
        "deletionVector": {
            "storageType": "i",
            "pathOrInlineDv": z85(vector),
            "sizeInBytes": len(vector),
            "cardinality": len(deleted),
        },
    }
    removed = {"path": path, "deletionTimestamp": 1, "dataChange": True}
    lines = [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        {"metaData": metadata},
        {"remove": removed},
        {"add": added},
    ]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    obstore.put(store, f"_delta_log/{1:020d}.json", body)


def map_columns(location: TableLocation, names: dict[str, str]) -> None:
    """Give the columns of a new table other names than they have in its files, as Spark does."""
    store = open_store(location)
    path = f"_delta_log/{0:020d}.json"
    actions = [json.loads(line) for line in bytes(obstore.get(store, path).bytes()).splitlines()]
    for action in actions:
        if "protocol" in action:
            action["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
        if "metaData" in action:
            schema = json.loads(action["metaData"]["schemaString"])
            for number, field in enumerate(schema["fields"], 1):
                field["metadata"] = {
                    "delta.columnMapping.id": number,
                    "delta.columnMapping.physicalName": field["name"],
                }
                field["name"] = names[field["name"]]
            action["metaData"]["schemaString"] = json.dumps(schema)
            action["metaData"]["configuration"] = {
                "delta.columnMapping.mode": "name",
                "delta.columnMapping.maxColumnId": str(len(names)),
            }
    obstore.put(store, path, "\n".join(map(json.dumps, actions)).encode())
