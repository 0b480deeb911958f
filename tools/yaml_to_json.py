#!/usr/bin/python3
"""yaml_to_json.py IN OUT: a YAML document as compact JSON, members in their order.

A reference to a JSON Schema in another file ({$ref: events/x.schema.json}) is replaced by that
schema; its own definitions must be schemas of the document, by the same names.
"""
import datetime
import json
import pathlib
import sys

import yaml


def plain(value: object) -> str:
    """YAML reads an unquoted date as one; in JSON it is its text."""
    if isinstance(value, datetime.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def read_schema(path: pathlib.Path, document: dict) -> dict:
    """The schema of a file, its references turned to the document's schemas."""
    text = path.read_text(encoding="utf-8").replace('"#/$defs/', '"#/components/schemas/')
    schema = json.loads(text)
    missing = set(schema.pop("$defs", {})) - set(document["components"]["schemas"])
    if missing:
        raise ValueError(f"{path.name} defines what the document does not: {sorted(missing)}")
    schema.pop("$schema", None)
    return schema


def bundled(value: object, folder: pathlib.Path, document: dict) -> object:
    if isinstance(value, list):
        return [bundled(item, folder, document) for item in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str) and reference.endswith(".schema.json"):
        return read_schema(folder / reference, document)
    return {name: bundled(child, folder, document) for name, child in value.items()}


def load(path: str | pathlib.Path) -> dict:
    """The document in one piece."""
    path = pathlib.Path(path)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return bundled(document, path.parent, document)


def main() -> None:
    source, target = sys.argv[1:]
    try:
        text = json.dumps(load(source), ensure_ascii=False, allow_nan=False,
                          separators=(",", ":"), default=plain)
    except (yaml.YAMLError, TypeError, ValueError, OSError) as error:
        sys.exit(f"{source}: {error}")
    with open(target, "w", encoding="utf-8") as file:
        file.write(text + "\n")


if __name__ == "__main__":
    main()
