"""Reads compose.yaml: `words SERVICE KEY` prints a list of it, a word a line, as a container gets it."""

import pathlib
import sys

import yaml

COMPOSE = yaml.safe_load((pathlib.Path(__file__).parent / "compose.yaml").read_text())


def words(service: str, key: str) -> list[str]:
    """The command line that `key` of `service` gives."""
    value = COMPOSE["services"][service][key]
    if key == "healthcheck":
        kind, *value = value["test"]
        assert kind == "CMD", f"a health check of the kind {kind} would need a shell of its own"
    # Compose writes a dollar as two.
    return [word.replace("$$", "$") for word in value]


if __name__ == "__main__":
    _, _, service, key = sys.argv
    print(*words(service, key), sep="\n")
