"""Types that another role owns, for tests of what may be done with columns of them."""

#: Types of mallory, as a column of the tests' table is called, and a value of each.
TYPES = {
    "mood": ("evil.mood", "ok"),
    "moods": ("evil.mood[]", "{ok,sad}"),
    "pair": ("evil.pair", "(1,ok)"),
    "pairs": ("evil.pair[]", '{"(1,ok)"}'),
    "dom": ("evil.dom", "ok"),
    "doms": ("evil.dom[]", "{ok}"),
    "span": ("evil.span", "[ok,sad)"),
    "ints": ("evil.ints", "[1,5)"),
    "word": ("evil.word", "abc"),
    "words": ("evil.word[]", "{abc}"),
}
TABLES = """
    CREATE TYPE evil.mood AS ENUM ('ok', 'sad');
    CREATE TYPE evil.pair AS (n int, mood evil.mood);
    CREATE DOMAIN evil.dom AS evil.mood;
    CREATE TYPE evil.span AS RANGE (subtype = evil.mood);
    CREATE TYPE evil.ints AS RANGE (subtype = int4);
    CREATE DOMAIN evil.word AS text;
    CREATE TABLE evil.loot (who text, what text);
    GRANT ALL ON evil.loot TO PUBLIC;
    GRANT USAGE ON SCHEMA evil TO PUBLIC;
"""
