"""JSON Schemas for kubeconform: Kubernetes' own made local, and custom kinds' from their definitions."""
import json
import pathlib
import re

import yaml

KUBERNETES = "v1.37.0-local-strict"


class Loader(yaml.CSafeLoader):
    """Takes a plain `=`, which YAML 1.1 gives a meaning that nobody has in mind, for text."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


def local(folder: pathlib.Path, target: pathlib.Path) -> None:
    """Copies the schemas so that their references lead to files beside them."""
    for path in sorted(folder.glob("*.json")):
        text = path.read_text().replace('"/api/_definitions.json#', '"_definitions.json#')
        text = re.sub(r'"\$id": *"[^"]*",?', "", text)
        (target / path.name).write_text(re.sub(r",(\s*})", r"\1", text))


def strict(schema: dict, top: bool = False) -> dict:
    """An openAPIV3Schema as a JSON Schema that knows no members but those it names."""
    out = {}
    for key, value in schema.items():
        if key.startswith("x-kubernetes-") or key in ("description", "default", "format"):
            continue
        if key == "properties":
            out[key] = {name: strict(member) for name, member in value.items()}
        elif key in ("items", "not") or key == "additionalProperties" and isinstance(value, dict):
            out[key] = strict(value)
        elif key in ("anyOf", "oneOf", "allOf"):
            # Parts of a whole: strictness is the whole's.
            out[key] = [{k: v for k, v in branch.items() if k != "properties"} for branch in value]
        else:
            out[key] = value
    if schema.get("x-kubernetes-int-or-string"):
        return {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    if out.pop("nullable", False) and "type" in out:
        out["type"] = [out["type"], "null"]
    if "properties" in out and not schema.get("x-kubernetes-preserve-unknown-fields"):
        if top:
            out["properties"] = {"apiVersion": {"type": "string"}, "kind": {"type": "string"},
                                 **out["properties"], "metadata": {"type": "object"}}
        out.setdefault("additionalProperties", False)
    return out


def custom(definition: dict, target: pathlib.Path) -> None:
    group = definition["spec"]["group"].split(".")[0]
    kind = definition["spec"]["names"]["kind"].lower()
    for version in definition["spec"]["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"], top=True)
        (target / f"{kind}-{group}-{version['name']}.json").write_text(json.dumps(schema))


def make(kubernetes: pathlib.Path, definitions: list, target: pathlib.Path) -> None:
    local(kubernetes / KUBERNETES, target)
    for path in definitions:
        for definition in yaml.load_all(path.read_text(), Loader):
            if definition and definition.get("kind") == "CustomResourceDefinition":
                custom(definition, target)
