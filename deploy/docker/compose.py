"""Reads compose.yaml: `words SERVICE KEY` prints a list of it, a word a line, as a container gets
it; `check SCHEMA` checks it by Compose's schema and by what we promise of it."""

import json
import pathlib
import sys

import yaml

HERE = pathlib.Path(__file__).parent
COMPOSE = yaml.safe_load((HERE / "compose.yaml").read_text())


def words(service: str, key: str) -> list[str]:
    """The command line that `key` of `service` gives."""
    value = COMPOSE["services"][service][key]
    if key == "healthcheck":
        kind, *value = value["test"]
        assert kind == "CMD", f"a health check of the kind {kind} would need a shell of its own"
    # Compose writes a dollar as two.
    return [word.replace("$$", "$") for word in value]


def check(schema: str) -> None:
    """Ends with an error where the file is not what it should be."""
    import jsonschema

    jsonschema.Draft7Validator(json.loads(pathlib.Path(schema).read_text())).validate(COMPOSE)
    dockerfile = (HERE / "Dockerfile").read_text()
    for name, service in COMPOSE["services"].items():
        assert f" AS {service['build']['target']}\n" in dockerfile, f"{name}: no such target"
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["tmpfs"] == ["/tmp"], name
        assert "data:/data" in service["volumes"], name
    for name in ("api", "worker"):
        service = COMPOSE["services"][name]
        assert service["network_mode"] == "service:cloud" and "ports" not in service, name
        assert service["depends_on"]["cloud"]["condition"] == "service_healthy", name
    print(f"compose.yaml: {len(COMPOSE['services'])} services fit the schema and our promises")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["words", service, key]:
            print(*words(service, key), sep="\n")
        case ["check", schema]:
            check(schema)
        case _:
            sys.exit(__doc__)
