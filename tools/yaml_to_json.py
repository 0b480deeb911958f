#!/usr/bin/python3
"""yaml_to_json.py IN OUT: a YAML document as compact JSON, members in their order."""
import datetime
import json
import sys

import yaml


def plain(value: object) -> str:
    """YAML reads an unquoted date as one; in JSON it is its text."""
    if isinstance(value, datetime.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def main() -> None:
    source, target = sys.argv[1:]
    try:
        with open(source, encoding="utf-8") as file:
            document = yaml.safe_load(file)
        text = json.dumps(document, ensure_ascii=False, allow_nan=False,
                          separators=(",", ":"), default=plain)
    except (yaml.YAMLError, TypeError, ValueError) as error:
        sys.exit(f"{source}: {error}")
    with open(target, "w", encoding="utf-8") as file:
        file.write(text + "\n")


if __name__ == "__main__":
    main()
