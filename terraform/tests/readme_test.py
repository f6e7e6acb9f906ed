#!/usr/bin/env python3
"""Holds what README.md says beside its steps to what is there: each option, target, output and script
exists. readme_steps.py runs the steps.

Usage: readme_test.py
"""

import re
import sys
import unittest
from pathlib import Path

STACK = Path(__file__).resolve().parent.parent
README = (STACK / "README.md").read_text()
FILES = "".join(path.read_text() for path in STACK.glob("*.tf"))


class Names(unittest.TestCase):
    def test_every_target_is_a_resource(self):
        targets = re.findall(r"-target=(\w+)\.(\w+)", README)
        self.assertGreaterEqual(len(targets), 4)
        for kind, name in targets:
            self.assertIn(f'resource "{kind}" "{name}"', FILES)

    def test_every_variable_and_output_is_there(self):
        for name in re.findall(r"-var '?(\w+)=", README):
            self.assertIn(f'variable "{name}"', FILES)
        for name in re.findall(r"terraform output (?:-raw |-json )?(\w+)", README):
            self.assertIn(f'output "{name}"', FILES)

    def test_every_script_is_there(self):
        for name in set(re.findall(r"\b(scripts/[\w-]+\.sh)", README)):
            self.assertTrue((STACK.parent / name).exists(), name)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
