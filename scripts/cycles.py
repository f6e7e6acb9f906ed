#!/usr/bin/env python3
"""Checks the directions of imports.

1. No file takes part in an import cycle within its crate. A file imports another if it names it in
   a path: `crate::…`, `super::…` or `self::…`, in a `use` or elsewhere. `mod child;` alone is no
   import. Test modules do not count.
2. The crates keep their layers: see LAYERS. `domain` links no async runtime and no driver.

Prints each violation and exits with 1 if there is one. `cycles.py --self-test` shows that it finds
a cycle.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

# Our crates, and those of ours that each may depend on (build and normal dependencies).
SHARED = {"atelier-cloud", "atelier-domain", "atelier-runtime", "atelier-store"}
LAYERS = {
    "atelier-domain": set(),
    "atelier-runtime": {"atelier-domain"},
    "atelier-store": {"atelier-domain", "atelier-runtime"},
    "atelier-cloud": {"atelier-domain", "atelier-runtime"},
    "atelier-doctor": SHARED,
    "atelier-api": SHARED,
    "atelier-keeper": SHARED,
    "atelier-worker": SHARED | {"atelier-doctor", "atelier-optimize"},
    "atelier-optimize": {"atelier-webp"},
    "atelier-webp": set(),
    "atelier-interleavings": {"atelier-domain"},
}
NOT_IN_DOMAIN = {"tokio", "mongodb", "rusqlite", "reqwest", "hyper", "axum", "aws-config"}


def modules(src: pathlib.Path) -> dict:
    """Module path (a tuple) -> file, for every file below `src` that is no test."""
    found = {}
    for file in sorted(src.rglob("*.rs")):
        parts = file.relative_to(src).with_suffix("").parts
        if "bin" in parts or "tests" in parts or "contract" in parts:
            continue
        if parts[-1] in ("lib", "main", "mod"):
            parts = parts[:-1]
        found[parts] = file
    return found


def code_of(file: pathlib.Path) -> str:
    """The source without comments, strings and inline test modules."""
    text = file.read_text()
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    return re.split(r"#\[cfg\(test\)\]\s*(?:pub(?:\(crate\))? )?mod \w+ \{", text)[0]


def paths_in(code: str):
    """Every path that begins with crate, super or self, groups expanded."""
    def expand(tree: str):
        head, brace, rest = tree.partition("{")
        if not brace:
            yield tree
            return
        depth, part, inner = 0, "", rest.rsplit("}", 1)[0]
        for char in inner + ",":
            depth += (char == "{") - (char == "}")
            if char == "," and depth == 0:
                yield from expand(head + part.strip())
                part = ""
            else:
                part += char

    uses = re.findall(r"\buse\s+((?:crate|super|self)::[^;]+);", code)
    for use in uses:
        yield from expand(re.sub(r"\s+", "", use))
    rest = re.sub(r"\buse\s[^;]+;", "", code)
    yield from re.findall(r"\b(?:crate|super|self)(?:::\w+)+", rest)
    # A child that is named directly: `child::item`.
    yield from ("self::" + path for path in re.findall(r"(?<![:\w])[a-z_]+::\w+", rest))


def imports(src: pathlib.Path) -> dict:
    """File -> the files that it imports."""
    files = modules(src)
    arrows = {}
    for here, file in files.items():
        arrows[file] = set()
        for path in paths_in(code_of(file)):
            first, *names = path.split("::")
            base = () if first == "crate" else here
            if first == "super":
                base = here[:-1]
                while names and names[0] == "super":
                    base, names = base[:-1], names[1:]
            # The deepest file on the path; a path to a child through its parent is the child's.
            target = None
            for length in range(len(names), 0, -1):
                target = files.get(base + tuple(names[:length]))
                if target:
                    break
            if target is None and names and (first != "self" or base == ()) and first != "self":
                target = files.get(base)
            if target and target != file:
                arrows[file].add(target)
    return arrows


def cycles(arrows: dict) -> list:
    """Groups of files that reach each other (Tarjan's strongly connected components)."""
    index, low, stack, found, on_stack = {}, {}, [], [], set()

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on_stack.add(node)
        for other in arrows[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on_stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
                on_stack.discard(group[-1])
            if len(group) > 1:
                found.append(sorted(group))

    for node in arrows:
        if node not in index:
            visit(node)
    return found


def metadata(*flags: str) -> dict:
    command = ["cargo", "metadata", "--format-version", "1", "--locked", *flags]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def layer_faults(packages: list) -> list:
    faults = []
    for package in packages:
        allowed = LAYERS.get(package["name"])
        ours = {
            it["name"]
            for it in package["dependencies"]
            if it["kind"] != "dev" and it["name"].startswith("atelier")
        }
        if allowed is not None and ours - allowed:
            faults.append(f"{package['name']} depends on {', '.join(sorted(ours - allowed))}")
    tree = subprocess.run(
        ["cargo", "tree", "--locked", "-p", "atelier-domain", "-e", "normal", "--prefix", "none"],
        check=True, capture_output=True, text=True,
    ).stdout
    linked = {line.split()[0] for line in tree.splitlines() if line.strip()}
    if linked & NOT_IN_DOMAIN:
        faults.append(f"atelier-domain links {', '.join(sorted(linked & NOT_IN_DOMAIN))}")
    return faults


def self_test() -> None:
    with tempfile.TemporaryDirectory() as folder:
        src = pathlib.Path(folder)
        (src / "lib.rs").write_text("mod a;\nmod b;\nmod c;\n")
        (src / "a.rs").write_text("use crate::b::B;\npub struct A;\n")
        (src / "b.rs").write_text("use crate::{a::A, c};\npub struct B;\n")
        (src / "c.rs").write_text("// use crate::a::A;\n")
        found = cycles(imports(src))
        assert [[file.name for file in group] for group in found] == [["a.rs", "b.rs"]], found
    print("a cycle is found where there is one")


def main() -> int:
    if "--self-test" in sys.argv:
        self_test()
        return 0
    packages = metadata("--no-deps")["packages"]
    faults, files = layer_faults(packages), 0
    for package in packages:
        root = pathlib.Path(package["manifest_path"]).parent
        arrows = imports(root / "src")
        files += len(arrows)
        for group in cycles(arrows):
            names = " <-> ".join(str(file.relative_to(root)) for file in group)
            faults.append(f"{package['name']}: import cycle {names}")
    for fault in faults:
        print(fault)
    print(f"{len(packages)} crates, {files} files, {len(faults)} violations")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
