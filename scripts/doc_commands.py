#!/usr/bin/env python3
"""Holds the commands of ours in the documents to what the programs take: each `atelier …`,
`atelier-loadtest …` and `scripts/operator.sh …` in a block of shell has to be a command that is
there, with flags that it has.

Usage: doc_commands.py DIRECTORY_OF_BINARIES
"""

import functools
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = {"atelier", "atelier-loadtest"}


def commands(text: str):
    """The simple commands of every block of shell, as words."""
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
            lexer.commenters = "#"
            lexer.whitespace_split = True
            words = []
            for word in [*lexer, ";"]:
                if not re.fullmatch(r"[|&;()<>]+", word):
                    words.append(word)
                elif words:
                    yield words
                    words = []


def ours(words: list):
    """The program and its arguments, if it is one of ours."""
    while words and re.match(r"^\w+=", words[0]):
        words = words[1:]
    if not words:
        return None
    name, *arguments = words
    if name.endswith("scripts/operator.sh"):
        arguments = arguments[2:] if arguments[:1] == ["--role"] else arguments
        # The smoke test is a program of its own in the operator's image.
        return None if arguments[:1] == ["smoke"] else ("atelier", arguments)
    return (Path(name).name, arguments) if Path(name).name in PROGRAMS else None


@functools.cache
def help_of(binary: str, path: tuple) -> str | None:
    shown = subprocess.run([binary, *path, "--help"], capture_output=True, text=True, check=False)
    return shown.stdout if shown.returncode == 0 else None


def faults(binaries: Path, program: str, arguments: list):
    """What is wrong with a command, if anything."""
    binary = str(binaries / program)
    path = ()
    for word in arguments:
        named = re.search(rf"^  {re.escape(word)}\b", help_of(binary, path) or "", re.M)
        if word.startswith("-") or not named:
            break
        path += (word,)
    shown = help_of(binary, path)
    if shown is None:
        yield "is not there"
        return
    first = arguments[len(path) :][:1]
    if "Commands:" in shown and path == () and first and not first[0].startswith("-"):
        yield f"has no command {first[0]}"
    for flag in (re.match(r"--[\w-]+", word) for word in arguments):
        if flag and flag[0] not in ("--help", "--version") and not re.search(rf"{flag[0]}(?![\w-])", shown):
            yield f"has no flag {flag[0]}"


def main() -> None:
    binaries, found, wrong = Path(sys.argv[1]).resolve(), 0, []
    for path in sorted(ROOT.glob("**/*.md")):
        if any(part in ("target", "node_modules", ".venv") for part in path.parts):
            continue
        for words in commands(path.read_text()):
            if command := ours(words):
                found += 1
                for fault in faults(binaries, *command):
                    wrong.append(f"{path.relative_to(ROOT)}: `{shlex.join(words)}` {fault}")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    if wrong or found < 20:
        sys.exit(f"doc_commands: {len(wrong)} faults in {found} commands")
    print(f"doc_commands: {found} commands in the documents are there, with their flags")


if __name__ == "__main__":
    main()
