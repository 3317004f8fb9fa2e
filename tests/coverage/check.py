"""Compares what the tests do not reach with the list of what they cannot: unreached.md.

    check.py gcovr.json

A line that is not run, or one of whose branches is not taken, has to be in the list, under its
reason; by its text, as its number changes with each change above it.  Where a text is several lines
of its file, and more than one of them is not reached, the entry says how many: "x3".  One more is a
failure; so is one fewer, unless the entry says "up to x3", as some of it depends on who comes first.
What is in the list and was reached altogether is told of.

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
    """Of each entry, by (what, file, text): how many lines there are, and whether fewer will do."""
    entries = {}
    with open(f"{ROOT}/{LIST}") as file:
        for line in file:
            m = re.fullmatch(r"- (line|branch) of (\S+): `` (.*) ``(?: (up to )?x(\d+))?\n", line)
            if m is None:
                if line.startswith("- "):
                    sys.exit(f"{LIST}: not understood: {line}")
                continue
            if m.groups()[:3] in entries:
                sys.exit(f"{LIST}: there twice: {line}")
            entries[m.groups()[:3]] = (int(m.group(5) or 1), m.group(4) is not None)
    return entries


def entry(key, count, fewer=False):
    """The line of the list."""
    return "- {} of {}: `` {} ``".format(*key) + (f" {'up to ' if fewer else ''}x{count}" if count > 1 else "")


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
        line_key = ("line", *key[1:])
        count, fewer = known.get(key) or known.get(line_key, (0, False))
        if len(numbers) > count:
            print(f"== not reached: {key[1]}, line {', '.join(map(str, numbers))}; {LIST} has "
                  f"{f'but {count} of them' if count else 'none of it'}.  With its reason it would be:")
            print(entry(key if key in known or line_key not in known else line_key, len(numbers), fewer))
            status = 1
    for key, (count, fewer) in sorted(known.items()):
        what, name, text = key
        lines = texts.get(name, []).count(text)
        alike = [missing.get(key, []), missing.get(("branch", name, text), [])]
        there = max(map(len, alike))
        if lines == 0:
            print(f"== {LIST}: there is no such line in {name}: {text}")
            status = 1
        elif lines < count:
            print(f"== {LIST}: of these lines there are {lines} in {name}.  It would be:")
            print(entry(key, lines, fewer))
            status = 1
        elif there == 0:
            print(f"reached, though in {LIST}: {name}: {text}")
        elif there < count and not fewer:
            print(f"== not reached are but {there} of these lines, in {name}.  It would be one of:")
            print(entry(key, there))
            print(entry(key, count, True))
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
