"""How the keys of a file about predictions are written: their shapes, and the parts made of them."""

from __future__ import annotations

from pgslo.definition.rules.predictions import Columns, Labels, PostProcessing
from pgslo.definition.syntax.steps import Steps
from pgslo.definition.yaml.durations import Duration
from pgslo.definition.yaml.keyed import Keys
from pgslo.definition.yaml.lists import ListOf
from pgslo.definition.yaml.named import Joined, Name, Relation
from pgslo.definition.yaml.nodes import Node
from pgslo.definition.yaml.values import AnyConstant, Fraction, OneOf

COLUMNS = Keys(
    {"score": Name(), "class": Name(), "model": Name(), "at": Name()},
    "{score: score, class: late, model: model_version, at: predicted_at}",
    ("score",),
)
LABELS = Keys(
    {
        "table": Relation(),
        "on": Joined(),
        "label": Name(),
        "at": Name(),
        "positive": AnyConstant(),
        "threshold": Fraction(),
        "classes": ListOf(AnyConstant()),
        "maturity": Duration(),
        "segments": ListOf(Name(), single=True),
    },
    "{table: serving.label, on: [order_id], label: late, at: known_at, positive: true, maturity: 2 days}",
    ("table", "on", "label", "maturity"),
)

POST_PROCESSING = Keys(
    {
        "apply": OneOf("choice", ("on_write", "on_read")),
        "raw": Name(),
        "trail": Name(),
        "steps": Steps(),
    },
    "{raw: raw_score, trail: trail, steps: [clip: [0, 1]]}",
    ("raw", "trail", "steps"),
)

#: Keys of a file about predictions, besides ``kind``.
PARTS: dict[str, Keys] = {"predictions": COLUMNS, "post_process": POST_PROCESSING, "labels": LABELS}
KIND = OneOf("kind of table", ("predictions",))


def read_part(key: str, node: Node) -> Columns | PostProcessing | Labels:
    """One of the parts, by its key.

    Raises:
        DefinitionError: It is not written as it has to be.
    """
    read = PARTS[key].read(node)
    common = {"location": node.location, "places": read.places}
    values = dict(read.values)
    if key == "predictions":
        return Columns(decided=values.pop("class", None), **values, **common)
    if key == "post_process":
        return PostProcessing(**values, **common)
    schema, table = values.pop("table")
    return Labels(schema_name=schema, table_name=table, **values, **common)
