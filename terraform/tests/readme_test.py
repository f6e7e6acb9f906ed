#!/usr/bin/env python3
"""Holds README.md's steps to what is there: they are in an order that works, and each option,
target, output and script of theirs exists. They are not run here.

Usage: readme_test.py
"""

import re
import sys
import unittest
from pathlib import Path

STACK = Path(__file__).resolve().parent.parent
README = (STACK / "README.md").read_text()
FILES = "".join(path.read_text() for path in STACK.glob("*.tf"))


def steps() -> list:
    """The numbered steps of the first section: (number, text)."""
    section = README[README.index("## From an empty account") : README.index("## What is where")]
    return [(int(number), text) for number, text in re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |\Z)", section, re.M | re.S)]


class Steps(unittest.TestCase):
    def test_they_are_numbered_in_their_order(self):
        numbers = [number for number, _ in steps()]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.assertGreaterEqual(len(numbers), 7)

    def test_the_state_and_the_addresses_come_before_the_fleet_and_the_doctor_before_the_picture(self):
        text = README
        order = ["backend \"s3\"", "-target=aws_eip.nat", "nat_addresses", "-var image_tag=TAG", "doctor --of worker", "A lighthouse at dawn"]
        places = [text.index(word) for word in order]
        self.assertEqual(places, sorted(places))

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
