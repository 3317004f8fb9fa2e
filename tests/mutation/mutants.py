"""What is changed in a C source, one thing at a time.

Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
"""
import hashlib
import re


class Mutant:
    """One change: of a file, in one line."""

    def __init__(self, file, text, start, end, new, kind):
        line_start = text.rfind("\n", 0, start) + 1
        line_end = text.find("\n", end)
        self.file = file
        self.kind = kind
        self.line = text.count("\n", 0, start) + 1
        self.text = text[:start] + new + text[end:]
        self.before = text[line_start:line_end].strip()
        # Of the lines that read so, which it is.
        self.number = 1 + sum(other.strip() == self.before for other in text[:line_start].split("\n"))
        self.after = (text[line_start:start] + new + text[end:line_end]).strip()

    def key(self):
        """By which it is known, wherever its line has gone."""
        return (self.file, self.before, self.number, self.after)

    def order(self, seed):
        which = (self.file, self.before, self.after) + ((self.number,) if self.number > 1 else ())
        return hashlib.sha256(repr((seed, which, self.kind)).encode()).hexdigest()


def masked(text):
    """The text with blanks for what is no code: comments, strings, and preprocessor lines but for
    the values of constants."""

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    text = re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)

    def directive(match):
        number = re.fullmatch(r"(#define +\w+ +)(\d+)", match.group(0).rstrip())
        if number is None:
            return blank(match)
        return " " * len(number.group(1)) + match.group(0)[len(number.group(1)):]

    return re.sub(r"^#(?:.*\\\n)*.*$", directive, text, flags=re.M)


SWAPS = [
    ("relation", r"(?<=[\w\)\]] )(<=|>=|<|>|==|!=)(?= )",
     {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}),
    ("logic", r"(&&|\|\|)", {"&&": "||", "||": "&&"}),
    ("arithmetic", r"(?<=[\w\)\]] )([-+*/%])(?= [\w\(])",
     {"+": "-", "-": "+", "*": "+", "/": "*", "%": "/"}),
    ("arithmetic", r"(?<=[\w\)\]] )([-+])(?== )", {"+": "-", "-": "+"}),
    ("step", r"(\+\+|--)", {"++": "--", "--": "++"}),
    ("bits", r"(?<=[\w\)\]] )([&|^])(?=[ =][ \w\(~])", {"&": "|", "|": "&", "^": "&"}),
    ("bits", r"(~)(?=[\w\(])", {"~": ""}),
    ("truth", r"\b(true|false)\b", {"true": "false", "false": "true"}),
    ("negation", r"(?<![\w!])(!)(?=[\w\(])", {"!": ""}),
    ("leaving", r"\b(break|continue)(?=;)", {"break": "", "continue": ""}),
]

STATEMENT = re.compile(
    r"^[ ]+((?:\(void\))?\*?[A-Za-z_]\w*(?:->\w+|\.\w+|\[[^\]\n]*\])*"
    r"(?: ?(?:\(|=|\+=|-=|\|=|&=)[^;\n]*|\+\+|--));[ ]*$", re.M)
RETURN = re.compile(r"\breturn ([^;\n]+);")
CONDITION = re.compile(r"\b(?:if|while) \(((?:[^()\n]|\((?:[^()\n]|\([^()\n]*\))*\))+)\)(?=$| \{)", re.M)
NUMBER = re.compile(r"(?<![\w.])(\d+)(?![\w.])")


def mutants(file, text):
    """All of them, in the order of the text."""
    code = masked(text)
    found = []

    def add(start, end, new, kind):
        found.append(Mutant(file, text, start, end, new, kind))

    for kind, pattern, swap in SWAPS:
        for m in re.finditer(pattern, code):
            # Pointers and their types look like products.
            if m.group(1) == "*" and not re.search(r"\w $", code[:m.start()]):
                continue
            add(m.start(1), m.end(1), swap[m.group(1)], kind)
    for m in NUMBER.finditer(code):
        value = int(m.group(1))
        add(m.start(1), m.end(1), str(value + 1), "constant")
        if value > 0:
            add(m.start(1), m.end(1), str(value - 1), "constant")
    for m in CONDITION.finditer(code):
        add(m.start(1), m.end(1), "!(" + text[m.start(1):m.end(1)] + ")", "condition")
    for m in STATEMENT.finditer(code):
        # The first line of what goes on is none, nor is the rest of it.
        before = code[:m.start()].rstrip()
        if before[-1:] in (";", "{", "}", ":", ")") or re.search(r"\belse$", before):
            add(m.start(1), m.end(1), "", "statement")
    for m in RETURN.finditer(code):
        value = text[m.start(1):m.end(1)]
        if value in ("true", "false"):
            continue
        if value == "NULL":
            continue
        add(m.start(1), m.end(1), "0" if value != "0" else "-1", "return")
    return found


def entry(key):
    """The line of survivors.md."""
    file, before, number, after = key
    return f"- {file}: `` {before} ``{f' #{number}' if number > 1 else ''} becomes `` {after} ``"


def read_entry(line):
    """The key that the line is of; None: it is no entry."""
    m = re.fullmatch(r"- (\S+): `` (.*) ``(?: #(\d+))? becomes `` (.*) ``", line)
    return (m.group(1), m.group(2), int(m.group(3) or 1), m.group(4)) if m is not None else None
