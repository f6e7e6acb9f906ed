#!/usr/bin/env python3
"""Every crate that is linked into our binaries has a license that may be linked.

Reads `cargo metadata`; a crate may offer several licenses, one of which has to fit.
"""

import json
import subprocess
import sys

FIT = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-1-Clause", "BSD-2-Clause",
    "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "NCSA",
    "Unicode-3.0", "Unlicense", "Zlib", "bzip2-1.0.6",
}


def fits(expression: str) -> bool:
    """Whether an SPDX expression can be met with licenses that fit: OR of ANDs."""
    text = expression.replace("/", " OR ").replace("(", " ( ").replace(")", " ) ")
    tokens = text.replace(" WITH ", "_WITH_").split()

    def either():
        value = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            other = both()
            value = value or other
        return value

    def both():
        value = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            other = one()
            value = value and other
        return value

    def one():
        token = tokens.pop(0)
        if token == "(":
            value = either()
            tokens.pop(0)
            return value
        return token.replace("_WITH_", " WITH ") in FIT

    return either()


def linked(metadata: dict) -> set:
    """Ids of all crates that our crates link, tests' and benches' own not among them."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    seen, todo = set(), list(metadata["workspace_members"])
    while todo:
        crate = todo.pop()
        if crate in seen:
            continue
        seen.add(crate)
        for dep in nodes[crate]["deps"]:
            if any(kind["kind"] != "dev" for kind in dep["dep_kinds"]):
                todo.append(dep["pkg"])
    return seen


def main() -> int:
    text = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked"],
        check=True, capture_output=True, text=True,
    ).stdout
    metadata = json.loads(text)
    wanted = linked(metadata)
    crates = [crate for crate in metadata["packages"] if crate["id"] in wanted]
    unfit = [crate for crate in crates if not fits(crate.get("license") or "none")]
    for crate in unfit:
        print(f"{crate['name']} {crate['version']}: {crate.get('license')}")
    names = {crate["name"] for crate in crates}
    if "aws-lc-sys" in names:
        print("aws-lc-sys is linked: one TLS provider (ring) is enough")
        return 1
    print(f"{len(crates)} crates, {len(unfit)} with a license that does not fit")
    return 1 if unfit else 0


if __name__ == "__main__":
    sys.exit(main())
