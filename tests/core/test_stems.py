"""One stem, five places: a kind of rule has a template, a class, a golden, a behaviour test and a page."""

import re
from pathlib import Path

from pgslo.definition.rules import BUILT_IN, BatchRule, Custom

ROOT = Path(__file__).parent.parent.parent
CLASSES = {*BUILT_IN, Custom.kind}
#: Kinds over a batch that are judged from its sums and its profile: they need no SQL of their own.
FROM_SUMS = {"completeness", "row_count", "statistic", "change", "drift", "skew", "ml_metric"}


#: What is no kind of rule, but generated and reviewed all the same.
NO_KINDS = {"post_process"}


#: Files that try each kind of rule over rows with any other; the kind's word is in them.
TRIED = (
    "docs/reference/features.md",
    "tests/database/rules/test_rule_columns.py",
    "tests/database/generated/test_any_definition.py",
    "tests/database/security/test_any_stranger.py",
    "tests/database/security/test_every_setting.py",
)


def test_every_kind_has_its_five_places():
    found = {
        "sql/templates/rules/<kind>.sql.j2": _stems("sql/templates/rules", ".sql.j2") | FROM_SUMS,
        "tests/golden/<kind>.yml": _stems("tests/golden", ".yml") - NO_KINDS,
        "tests/golden/<kind>.sql": _stems("tests/golden", ".sql") - NO_KINDS,
        "tests/database/rules/test_<kind>.py with KIND": _tested(),
        "docs/reference/rules/<kind>.md": _stems("docs/reference/rules", ".md") - {"README"},
    }
    missing = {place: sorted(CLASSES - kinds) for place, kinds in found.items() if CLASSES - kinds}
    assert missing == {}
    assert {place: sorted(kinds - CLASSES) for place, kinds in found.items() if kinds - CLASSES} == {}


def test_every_kind_is_tried_with_any_other():
    of_rows = {kind for kind, rule in BUILT_IN.items() if not issubclass(rule, BatchRule)} - {"schema"}
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in TRIED}
    words = {path: set(re.findall(r"\w+", text)) for path, text in texts.items()}
    missing = {path: sorted(of_rows - words[path]) for path in TRIED if of_rows - words[path]}
    assert missing == {}


def test_every_page_has_the_same_form():
    for kind in CLASSES & _stems("docs/reference/rules", ".md"):
        page = (ROOT / "docs/reference/rules" / f"{kind}.md").read_text(encoding="utf-8")
        assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [
            "Meaning",
            "Parameters",
            "Violations",
            "Cost",
            "How to resolve it",
        ], kind


def test_index_lists_every_kind():
    index = (ROOT / "docs/reference/rules/README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[`(\w+)`\]\(\1\.md\)", index, re.MULTILINE)) == CLASSES


def _stems(folder, suffix):
    return {path.name.removesuffix(suffix) for path in (ROOT / folder).glob(f"*{suffix}")}


def _tested():
    """Kinds whose golden a behaviour test of the same name loads."""
    texts = {path.stem: path.read_text() for path in (ROOT / "tests/database/rules").glob("test_*.py")}
    return {
        kind
        for stem, text in texts.items()
        for kind in re.findall(r'^KIND = "(\w+)"$', text, re.MULTILINE)
        if stem == f"test_{kind}"
    }


def test_runtime_files_are_short_and_have_numbers_of_their_own():
    files = sorted((ROOT / "sql" / "runtime").glob("*.sql"))
    numbers = [path.name.partition("_")[0] for path in files]
    assert sorted(set(numbers)) == numbers
    code = {
        path.name: [line for line in path.read_text().splitlines() if not _is_remark(line)] for path in files
    }
    assert {name: len(lines) for name, lines in code.items() if len(lines) > 300} == {}


def _is_remark(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("--")
