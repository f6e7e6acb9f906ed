#!/usr/bin/env python3
"""Keeps the README's tables of variables and outputs true, in the manner of terraform-docs.

Usage: docs_test.py [--write]   (--write puts the tables into the README)
"""

import re
import sys
from pathlib import Path

STACK = Path(__file__).resolve().parent.parent
README = STACK / "README.md"


def blocks(kind: str, text: str):
    """Yields name and body of each top-level block."""
    yield from re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', text, re.M | re.S)


def attribute(body: str, name: str) -> str:
    """The value of an attribute at the block's first level, on one line; empty where there is none."""
    match = re.search(rf"^  {name}\s*= (.*?)(?=^  \w|^$|\Z)", body, re.M | re.S)
    return re.sub(r"\s+", " ", match[1]).strip() if match else ""


def code(value: str) -> str:
    return f"`{value}`" if value else "(required)"


def variables_table() -> str:
    rows = ["| Name | Description | Type | Default |", "|---|---|---|---|"]
    for name, body in sorted(blocks("variable", (STACK / "variables.tf").read_text())):
        description = attribute(body, "description").strip('"').replace('\\"', '"')
        rows.append(f"| `{name}` | {description} | {code(attribute(body, 'type'))} | {code(attribute(body, 'default').replace(', ]', ']').replace('[ ', '['))} |")
    return "\n".join(rows)


def outputs_table() -> str:
    rows = ["| Name | Description |", "|---|---|"]
    for name, body in sorted(blocks("output", (STACK / "outputs.tf").read_text())):
        rows.append(f"| `{name}` | {attribute(body, 'description').strip(chr(34))} |")
    return "\n".join(rows)


def with_tables(text: str) -> str:
    for name, table in {"variables": variables_table(), "outputs": outputs_table()}.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        if not re.search(pattern, text, re.S):
            sys.exit(f"README.md lacks the marks of the {name} table")
        text = re.sub(pattern, lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text, flags=re.S)
    return text


def main() -> None:
    undescribed = [
        f"{path.relative_to(STACK)}: {kind} {name}"
        for path in [*STACK.glob("*.tf"), *STACK.glob("modules/*/*.tf")]
        for kind in ("variable", "output")
        for name, body in blocks(kind, path.read_text())
        if not attribute(body, "description") or (kind == "variable" and not attribute(body, "type"))
    ]
    if undescribed:
        sys.exit("without description or type: " + ", ".join(undescribed))
    interfaces = {(STACK / f"modules/{fleet}-fleet/variables.tf").read_text() for fleet in ("ec2", "ecs")}
    if len(interfaces) != 1:
        sys.exit("modules/ec2-fleet/variables.tf and modules/ecs-fleet/variables.tf differ: they are one interface")
    text = README.read_text()
    if "--write" in sys.argv:
        README.write_text(with_tables(text))
    elif with_tables(text) != text:
        sys.exit("README.md's tables are stale: run terraform/tests/docs_test.py --write")
    print("docs: the README's tables are true")


if __name__ == "__main__":
    main()
