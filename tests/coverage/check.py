"""Compares what the tests do not reach with the list of what they cannot: unreached.md.

    check.py gcovr.json

A line that is not run, or one of whose branches is not taken, has to be in the list, under its
reason; by its text, as its number changes with each change above it.  What is in the list and was
reached is told of: some of it depends on who comes first.

Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
"""
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIST = "tests/coverage/unreached.md"
LEAST = {"lines": 98, "branches": 95}


def read_list():
    """(what, file, text) of each entry."""
    entries = set()
    with open(f"{ROOT}/{LIST}") as file:
        for line in file:
            m = re.fullmatch(r"- (line|branch) of (\S+): `` (.*) ``\n", line)
            if m is not None:
                entries.add(m.groups())
            elif line.startswith("- "):
                sys.exit(f"{LIST}: not understood: {line}")
    return entries


def main():
    with open(sys.argv[1]) as file:
        report = json.load(file)
    counts = {"lines": [0, 0], "branches": [0, 0]}
    missing = {}
    texts = {}
    for part in report["files"]:
        name = part["file"]
        with open(f"{ROOT}/{name}") as file:
            texts[name] = [line.strip() for line in file]
        for line in part["lines"]:
            if line.get("gcovr/noncode"):
                continue
            branches = line["branches"]
            taken = sum(b["count"] > 0 for b in branches)
            counts["lines"][0] += line["count"] > 0
            counts["lines"][1] += 1
            counts["branches"][0] += taken
            counts["branches"][1] += len(branches)
            what = "line" if line["count"] == 0 else "branch" if taken < len(branches) else None
            if what is not None:
                number = line["line_number"]
                missing.setdefault((what, name, texts[name][number - 1]), []).append(number)

    status, known = 0, read_list()
    for what, (reached, total) in counts.items():
        percent = 100 * reached / total
        print(f"{what}: {reached} of {total}, {percent:.2f} %")
        if percent < LEAST[what]:
            print(f"== fewer than {LEAST[what]} %")
            status = 1
    for key, numbers in sorted(missing.items(), key=lambda e: (e[0][1], e[1])):
        # Who knows that a line is not run knows that its branches are not taken.
        if key not in known and ("line", *key[1:]) not in known:
            print(f"== not reached, and not in {LIST}, line {', '.join(map(str, numbers))}:")
            print("- {} of {}: `` {} ``".format(*key))
            status = 1
    for what, name, text in sorted(known):
        if text not in texts.get(name, []):
            print(f"== {LIST}: there is no such line in {name}: {text}")
            status = 1
        elif (what, name, text) not in missing and ("branch", name, text) not in missing:
            print(f"reached, though in {LIST}: {name}: {text}")
    return status


if __name__ == "__main__":
    sys.exit(main())
