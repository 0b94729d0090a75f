"""Words to avoid are in no text of the project, apart from listed exceptions."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Patterns of words to avoid, by the words to write instead.
AVOID = {
    r"\banew\b": "again, re-create, recompute",
    r"\bmend(s|ed|ing)?\b": "fix, correct, repair",
    r"\b(nobody|somebody|whoever)\b": "the passive, or the role",
    r"\b(he|his|him)\b": "the writer, their, you",
    r"\bstands?\b(?!-in)": "is, depends on, represents",
    r"\b(told|tells?)\b": "reports, shows, records; distinguish",
    r"\bsaid\b": "message, detail, reported",
    r"\bwants\b": "expects, requires",
    r"\blives\b|\b(writes?|reads?|rows?|views?|statements?) live\b": "succeeds, exists, is",
    r"\b(is|are|was|were) none\b|\bno news\b|\bso many\b|\bby (itself|themselves)\b": "there is no; n; automatically",
    r"\b(hold|holds|held|holding) (\w+ ){0,4}against\b": "check against, compare with",
    r"\bwhat (is|are|was|were|it|they|comes?|came|becomes?|became)\b": "a noun",
    r"\b(comes?|came) to (?!an end)|\b(becomes?|became|become) of\b": "is, add up to, happen to",
    r"\bthat (is|are|was|were) there( already)?\b": "existing",
    r"\b(takes?|taken|took) away\b": "remove, drop, revoke",
    r"\bpromise[sd]?\b": "rule, summary, objective",
    r"(?<!there )\b(is|are|was|were) no (?!longer|more|such)\w+": "is not a, there is no",
    r"\bunseen\b": "unrecorded, with triggers disabled",
    r"\b(foresaw|companions?)\b": "predicted; strict view, status view",
    r"\bgone\b": "dropped, deleted, removed",
    r"\bthe way of (nearly|almost)\b|\ba look\b": "fast path; check, read",
    r"\b(unable|illegal)\b": "could not, cannot; invalid",
    r"(^|[.;:|(] |[-*#] |\"\"\")who\b": "the role: the owner, readers",
}
#: Lines FILE | WORD: the reason why the word is right there. Names are single words in quotes; they have no file.
EXCEPTIONS = Path(__file__).with_name("plain_exceptions.txt")
#: Texts that are checked. Files of migrations are not: databases that ran them have their checksums.
PROSE = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/**/*.md",
    "tests/**/*.md",
    "examples/**/*.md",
)
SQL = ("sql/**/*.sql", "sql/**/*.j2")
CODE = ("src/**/*.py", "examples/**/*.py")
HTML = ("src/**/*.html.j2",)
DOCSTRINGS = ("tests/**/*.py", "benchmarks/**/*.py")

Line = tuple[str, str]


def _of_markdown(text: str) -> Iterator[str]:
    """Yield the lines of a page, without code and the targets of links."""
    fenced = False
    for line in text.splitlines():
        fenced ^= (mark := line.lstrip().startswith(("```", "~~~")))
        yield "" if fenced or mark else re.sub(r"`[^`]*`|\]\([^)]*\)", "", line)


def _of_html(text: str) -> Iterator[str]:
    """Yield the lines of a template of a page, without tags and blanks of the template."""
    yield from re.sub(r"\{\{.*?\}\}|\{%.*?%\}|<[^>]*>", "", text).splitlines()


def _of_sql(text: str) -> Iterator[str]:
    """Yield comments and strings, without blanks of the template."""
    for line in text.splitlines():
        plain = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", line)
        comment = re.search(r"--.*", re.sub(r"'(?:[^']|'')*'", lambda found: " " * len(found[0]), plain))
        yield plain[comment.start() :] if comment else ""
        yield from re.findall(r"'((?:[^']|'')*)'", plain)


def _of_python(text: str) -> Iterator[str]:
    """Yield comments, docstrings with the names of attributes, and strings, without names in double backquotes."""
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in kinds:
            for line in re.sub(r"``.*?``", "", token.string).splitlines():
                yield from _of_attribute(re.sub(r"\{[^{}]*\}|`[^`]*`", "", line.strip("\"'")))


def _of_docstrings(text: str) -> Iterator[str]:
    """Yield the lines of docstrings."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
            found := ast.get_docstring(node)
        ):
            for line in re.sub(r"``.*?``", "", found).splitlines():
                yield from _of_attribute(line)


def _of_attribute(line: str) -> Iterator[str]:
    """Yield the name of an attribute that a docstring explains, and the rest of the line."""
    _, name, rest = re.fullmatch(r"(\s+(\w+): )?(.*)", line).groups()  # type: ignore[union-attr]
    yield from (name, rest) if name else (line,)


def _of_help() -> Iterator[Line]:
    from pgslo.cli.root import main

    for verb in main.list_commands(None):  # type: ignore[arg-type]
        command = main.get_command(None, verb)  # type: ignore[arg-type]
        for one in (command, *getattr(command, "commands", {}).values()):
            yield f"help of {verb}", one.help or ""
            for option in one.params:
                yield f"help of {verb}", getattr(option, "help", None) or ""


def lines() -> Iterator[Line]:
    """Yield all texts with the names of their files, and the help of the command line."""
    for patterns, read in (
        (PROSE, _of_markdown),
        (SQL, _of_sql),
        (CODE, _of_python),
        (HTML, _of_html),
        (DOCSTRINGS, _of_docstrings),
    ):
        paths = sorted({path for pattern in patterns for path in ROOT.glob(pattern)})
        assert paths, f"no file is like {patterns}"
        for path in paths:
            if path == Path(__file__) or "node_modules" in path.parts:
                continue
            for line in read(path.read_text(encoding="utf-8")):
                yield path.relative_to(ROOT).as_posix(), line
    yield from _of_help()


def test_texts_are_in_plain_words() -> None:
    rows = [row for row in EXCEPTIONS.read_text(encoding="utf-8").splitlines() if row and row[0] != "#"]
    assert all(row.partition(": ")[2] for row in rows), "each exception has its reason"
    allowed = {row.split(": ", 1)[0] for row in rows}
    avoided = re.compile("|".join(f"(?:{words})" for words in AVOID), re.IGNORECASE)
    found: dict[str, str] = {}
    for file, line in lines():
        for hit in avoided.finditer(line):
            where = file if " " in line.strip() else "names"
            found.setdefault(f"{where} | {hit[0].strip(' .;:|(-*#').lower()}", f"{file}: {line.strip()}")
    new = {key: found[key] for key in sorted(found.keys() - allowed)}
    assert new == {}, f"write plainer words ({'; '.join(AVOID.values())}), or add a line with the reason"
    assert allowed - found.keys() == set(), "exceptions that are not needed any more"


def test_a_change_is_one_line() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n### ")[2].splitlines()
    assert [line for line in changes if len(line) > 120 or line.startswith(" ")] == []


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (_of_markdown, "said `told` [a](gone.md)", ["said  [a"]),
        (_of_markdown, "```\ntold\n```\nfine", ["", "", "", "fine"]),
        (_of_sql, "SELECT 'said', 'a -- b' -- told", ["-- told", "said", "a -- b"]),
        (_of_sql, "-- {{ promise }}", ["-- "]),
        (_of_html, "<p title='told'>{{ said }} fine</p>", [" fine"]),
        (_of_python, 'told = "said"  # a note', ["said", "# a note"]),
        (_of_docstrings, '"""One.\n\nTwo ``told``."""', ["One.", "", "Two ."]),
    ],
)
def test_code_is_no_text(read, text, expected):  # type: ignore[no-untyped-def]
    assert [line for line in read(text) if line or read is not _of_sql] == expected
