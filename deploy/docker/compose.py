"""Reads compose.yaml: `words SERVICE KEY` prints a list of it, a word a line, as a container gets
it; `check` reads what Compose's own library makes of it (compose/main.go) from stdin, and holds it to the
Dockerfile and to what we promise of it."""

import json
import pathlib
import re
import sys

import yaml

HERE = pathlib.Path(__file__).parent
# A worker and an API use up to this much to drain, unless GRACE_SECONDS says otherwise.
GRACE_SECONDS = 25


def words(service: str, key: str) -> list[str]:
    """The command line that `key` of `service` gives."""
    value = yaml.safe_load((HERE / "compose.yaml").read_text())["services"][service][key]
    if key == "healthcheck":
        kind, *value = value["test"]
        assert kind == "CMD", f"a health check of the kind {kind} would need a shell of its own"
    # Compose writes a dollar as two.
    return [word.replace("$$", "$") for word in value]


def check(project: dict) -> None:
    """Ends with an error where the file is not what it should be."""
    services = project["services"]
    dockerfile = (HERE / "Dockerfile").read_text()
    targets = re.findall(r"^FROM .* AS (\w+)$", dockerfile, re.M)
    for name, service in services.items():
        build = service["build"]
        assert build["target"] in targets, f"{name}: no such target"
        file = pathlib.Path(build["context"], build["dockerfile"])
        assert file.resolve() == (HERE / "Dockerfile").resolve(), f"{name}: {file}"
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["tmpfs"] == ["/tmp"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        mounts = {(it["type"], it["source"], it["target"]) for it in service["volumes"]}
        assert mounts == {("volume", "data", "/data")}, f"{name}: {mounts}"
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy", f"{name} waits for {other} only to be started"
            assert_healthy(other, services[other], dockerfile)
    assert set(project["volumes"]) == {"data"}, project["volumes"]
    for name in ("api", "worker"):
        service = services[name]
        assert service["network_mode"] == "service:cloud" and "ports" not in service, name
        assert "cloud" in service["depends_on"], name
        assert seconds(service["stop_grace_period"]) > GRACE_SECONDS, f"{name} is killed while it drains"
    (port,) = services["cloud"]["ports"]
    assert port.get("host_ip") == "127.0.0.1", "AUTH=off must not leave this machine"
    exposed = re.search(r" AS api\n.*?^EXPOSE (\d+)$", dockerfile, re.M | re.S)[1]
    assert str(port["target"]) == exposed, port
    print(f"compose.yaml: Compose loads {len(services)} services; they fit the Dockerfile and our promises")


def assert_healthy(name: str, service: dict, dockerfile: str) -> None:
    """Others wait for `name`, so it has a health check whose program is in its image."""
    kind, program, *arguments = service["healthcheck"]["test"]
    assert kind == "CMD", f"{name}: a health check of the kind {kind}"
    line = " ".join([program, *arguments])
    assert program == "bash" and "healthcheck " in line, f"{name}: {line}"
    assert "/usr/local/bin/healthcheck\n" in dockerfile, "the image has no healthcheck"


def seconds(text: str) -> float:
    """Of Compose's `1m30s`."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)([hms])", text))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["words", service, key]:
            print(*words(service, key), sep="\n")
        case ["check"]:
            check(json.load(sys.stdin))
        case _:
            sys.exit(__doc__)
