"""Text that other people wrote is shown and never obeyed: by a terminal, by a chat program, by a reader of JSON."""

from __future__ import annotations

import json

import pytest

from pgslo.cli import output
from pgslo.display import json_text, neutral, one_line, printable

#: Every character that a terminal obeys, that turns the writing direction, that ends a line, or that has no width.
HOSTILE = "".join(
    chr(code)
    for first, last in (
        (0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x200B, 0x200F), (0x2028, 0x202E),
        (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0xE0000, 0xE007F),
    )
    for code in range(first, last + 1)
)  # fmt: skip


@pytest.mark.parametrize("character", HOSTILE, ids=lambda character: f"U+{ord(character):04X}")
def test_no_hostile_character_is_printed(character):
    assert character not in printable(f"a{character}b")
    assert character not in one_line(f"a{character}b")
    assert character not in neutral(f"a{character}b")
    document = json.dumps([f"a{character}b"], ensure_ascii=False)
    assert character not in json_text(document)
    assert json.loads(json_text(document)) == [f"a{character}b"]


def test_other_text_is_printed_as_it_is():
    for text in ("é", "数据", "😀", "ქართული", "עברית", "عربي", "a\tb\nc", "1 000", "O'Brien", "a_b_c"):
        assert printable(text) == text


def test_lines_of_a_result_cannot_be_forged(capsys):
    output.say("batch 1\nincident 7: resolved")
    output.message("route\r\ndone")
    output.warning("x", detail="y\nerror: no right", hint="z\u2028hint: run rm")
    out, err = capsys.readouterr()
    assert out == "batch 1 incident 7: resolved\n"
    assert err.split("\n")[0] == "route done"
    assert all(
        line.startswith(("route", "warning: ", "detail: ", "hint: ", "    "))
        for line in err.split("\n")
        if line
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!channel>", "< !channel>"),
        ("<@U123> <#C1> <users/all>", "< @ U123> < #C1> < users/all>"),
        ("<http://evil|click>", "< http: //evil|click>"),
        ("[click](http://evil)", "[click] (http: //evil)"),
        ("![x][1]", "![x] [1]"),
        ("[1]: http://evil", "[1] : http: //evil"),
        (
            "Fix: https://evil.example/login HTTP://x slack://y",
            "Fix: https: //evil.example/login HTTP: //x slack: //y",
        ),
        ("www.evil.example MailTo:a tel:+1", "www. evil.example MailTo: a tel: +1"),
        ("10:00 a::int features.www.x //c", "10:00 a::int features.www. x //c"),
        ("@everyone a@everyone @HERE @channel @mallory", "@ everyone a@ everyone @ HERE @ channel @ mallory"),
        ("`code` ```block```", "'code' '''block'''"),
        ("*b* **b** ~~s~~", "* b* ** b** ~~ s~~"),
        ("&lt;!channel&gt; &#60;b&#x3e; a & b", "& lt;!channel& gt; & #60;b& #x3e; a & b"),
        ("||hidden|| a || b", "| |hidden| | a | | b"),
        ("_it_ __b__", "_ it_ __ b__"),
        ("<script>alert(1)</script>", "< script>alert(1)< /script>"),
        ("# head\n> quote\n- item\n1. one", "· # head\n· > quote\n· - item\n· 1. one"),
        ("\x1b[31m\u202e\u200b", "\\x1b[31m\\u202e\\u200b"),
    ],
)
def test_markup_is_neutral(text, shown):
    assert neutral(text) == shown
    assert neutral(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "b * 2 < 100",
        "a <= 1 AND b <> 2 AND c<3",
        "joe@example.com",
        "features.user_stats: _loaded_at, user_id",
        "[1, 2] (x)",
        "50 % of 3 rows ~ 4",
        "Message oncall/1/opened/3/1",
    ],
)
def test_plain_text_stays(text):
    assert neutral(text) == text
