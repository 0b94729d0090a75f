"""The rules of a file: those under columns, those with names of their own, assertions, and those that are keys of the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pgslo.definition.syntax.custom_kinds import CustomKind
from pgslo.definition.syntax.forms import (
    ASSERTION_FORMS,
    ASSERTION_OPTIONS,
    FILE_FORMS,
    OPTIONS,
    Form,
    column_forms,
    row_forms,
)
from pgslo.definition.syntax.rule_builder import Rules, Written
from pgslo.definition.syntax.sections import Sections
from pgslo.definition.yaml import nodes
from pgslo.definition.yaml.named import ColumnOrPath
from pgslo.definition.yaml.nodes import Node, Scalar, Sequence
from pgslo.definition.yaml.values import Shape, close_match, describe
from pgslo.errors import DefinitionError, Problems

_A = {"rule": "A rule", "assertion": "An assertion"}


class RuleReader(Sections):
    """Reads them; errors go to ``problems``, and a rule that has one is left out."""

    def __init__(self, problems: Problems, kinds: Mapping[str, CustomKind]) -> None:
        super().__init__(problems)
        self._column_forms = column_forms(kinds)
        self._row_forms = row_forms(kinds)
        self._rules = Rules(problems)

    def _file_rule(self, form: Form, key: Scalar, node: Node) -> None:
        """A kind that is a key of the file."""
        if form.shorthand is None and self._mapping(node, f"For example {form.example}") is None:
            return
        written = self._parameters(form, key, node, OPTIONS)
        if written is not None:
            self._rules.add(form, key, written, column=None)

    def _columns(self, written: Written, node: Node) -> None:
        mapping = self._mapping(node, "For example age: [not_null]")
        for column, items in mapping.entries if mapping else ():
            try:
                ColumnOrPath().read(column)
            except DefinitionError as error:
                self._problems.add(error)
                continue
            if not isinstance(items, Sequence):
                hint = "Begin each rule with a dash: - not_null"
                self._error(f"expected a list of rules, not {describe(items)}", items.location, hint)
                continue
            if not items.items:
                written.values["listed"] = (*written.values.get("listed", ()), column.text)
                written.places[f"columns.{column.text}"] = column.location
            for item in items.items:
                self._column_rule(column, item)

    def _column_rule(self, column: Scalar, item: Node) -> None:
        found = self._one_entry(item)
        if found is None:
            return
        kind, value = found
        form = self._form(kind, self._column_forms, self._row_forms, "rules")
        if form is None:
            return
        written = self._parameters(form, kind, value, OPTIONS)
        if written is not None:
            if "column" in written.places:
                # That of the other table; this one's is the rule's own.
                written.places["to"] = written.places["column"]
            written.places["column"] = column.location
            self._rules.add(form, kind, written, column=column.text)

    def _one_entry(self, item: Node) -> tuple[Scalar, Node | None] | None:
        """A kind or name and its content."""
        match item:
            case Scalar(value=str()):
                return item, None
            case nodes.Mapping(entries=((key, value),)):
                return key, value
            case nodes.Mapping(entries=((first, _), (second, _), *_)):
                if second.text in OPTIONS:
                    hint = f"Put it into the braces of {first.text}: {{…, {second.text}: …}}."
                else:
                    hint = "Begin each rule with a dash of its own."
                self._error(f'"{second.text}" is beside the rule "{first.text}"', second.location, hint)
            case _:
                self._error(f"expected a rule, not {describe(item)}", item.location, "For example not_null.")
        return None

    def _row_rules(self, node: Node) -> None:
        example = '- label_follows_event: {expression: "label_at >= event_at"}'
        for name, value in self._named(node, "rule", example):
            found = self._named_kind("rule", name, value, self._row_forms, OPTIONS)
            form = self._form(found[0], self._row_forms, self._column_forms, "columns") if found else None
            self._named_rule("rule", name, value, found, form, OPTIONS)

    def _assertions(self, node: Node) -> None:
        example = "- joe_and_fred_earn_the_same: {where: \"name IN ('Joe', 'Fred')\", all_equal: salary}"
        for name, value in self._named(node, "assertion", example):
            found = self._named_kind("assertion", name, value, ASSERTION_FORMS, ASSERTION_OPTIONS)
            if found and found[0].text not in ASSERTION_FORMS:
                hint = close_match(found[0].text, ASSERTION_FORMS) or f"One of: {', '.join(ASSERTION_FORMS)}."
                self._error(f'form "{found[0].text}" does not exist', found[0].location, hint)
                continue
            form = ASSERTION_FORMS[found[0].text] if found else None
            self._named_rule("assertion", name, value, found, form, ASSERTION_OPTIONS)

    def _named(self, node: Node, what: str, example: str) -> Iterator[tuple[Scalar, nodes.Mapping]]:
        """The items of a list of rules that have names of their own."""
        if not isinstance(node, Sequence):
            self._error(
                f"expected a list of {what}s, not {describe(node)}", node.location, f"For example {example}"
            )
            return
        for item in node.items:
            found = self._one_entry(item)
            if found is None:
                continue
            name, value = found
            if not isinstance(value, nodes.Mapping):
                self._error(f'{what} "{name.text}" says nothing', name.location, f"For example {example}")
                continue
            yield name, value

    def _named_rule(
        self,
        what: str,
        name: Scalar,
        node: nodes.Mapping,
        found: tuple[Scalar, Node] | None,
        form: Form | None,
        known: Mapping[str, Shape],
    ) -> None:
        if "name" in (key.text for key, _ in node.entries):
            self._error(f'{what} "{name.text}" has a name already', node.place("name"), 'Leave "name" out.')
            return
        options = Written({}, {})
        for key, option in node.entries:
            if key.text in known:
                self._put(options, key.text, known[key.text], option)
        self._put(options, "name", known["name"], name)
        if not found or not form:
            return
        kind, value = found
        written = self._parameters(form, kind, value, {}, beside=options)
        if written is not None and "name" in options.values:
            # Inside a form's braces it is about the other table, beside the form about this one.
            for found_in in (written.values, written.places):
                if "where" in found_in:
                    found_in["among"] = found_in.pop("where")
            written.values.update(options.values)
            written.places.update(options.places)
            self._rules.add(form, kind, written, column=None)

    def _named_kind(
        self,
        what: str,
        name: Scalar,
        node: nodes.Mapping,
        forms: Mapping[str, Form],
        options: Mapping[str, Shape],
    ) -> tuple[Scalar, Node] | None:
        """The one key that is a kind, and its content."""
        word = "kind" if what == "rule" else "form"
        kinds = [(key, value) for key, value in node.entries if key.text not in options]
        if not kinds:
            self._error(f'{what} "{name.text}" has no {word}', name.location, f"One of: {', '.join(forms)}.")
            return None
        if len(kinds) == 1:
            return kinds[0]
        known = [(key, value) for key, value in kinds if key.text in forms]
        for key, _ in kinds:
            if key.text not in forms and known:
                hint = close_match(key.text, options) or f"{_A[what]} has one {word}, and options beside it."
                self._error(f'"{key.text}" is neither a {word} nor an option', key.location, hint)
        if len(known) != 1:
            self._error(f'{what} "{name.text}" has two {word}s', kinds[1][0].location, f"Write two {what}s.")
            return None
        return known[0]

    def _form(
        self, kind: Scalar, forms: dict[str, Form], elsewhere: dict[str, Form], where: str
    ) -> Form | None:
        form = forms.get(kind.text)
        if form is None:
            if kind.text in elsewhere:
                example = elsewhere[kind.text].example
                hint = f'Write it under "{where}", for example {example}'
                self._error(f'kind "{kind.text}" is not allowed here', kind.location, hint)
            elif kind.text in FILE_FORMS:
                self._error(
                    f'"{kind.text}" is a key of the file',
                    kind.location,
                    f"For example {FILE_FORMS[kind.text].example}",
                )
            else:
                hint = close_match(kind.text, forms) or f"One of: {', '.join(forms)}."
                self._error(f'kind "{kind.text}" does not exist', kind.location, hint)
        return form

    def _parameters(
        self,
        form: Form,
        kind: Scalar,
        node: Node | None,
        options: dict[str, Shape],
        *,
        beside: Written | None = None,
    ) -> Written | None:
        """A kind's own keys and the options among them; ``None`` if something is wrong."""
        before = len(self._problems.errors)
        written = Written({}, {})
        match node:
            case nodes.Mapping():
                self._keys(form, kind, node, options, written)
            case None | Scalar(value=None):
                pass
            case _:
                self._shorthand(form, kind, node, written)
        if len(self._problems.errors) > before:
            return None
        missing = [f'"{name}"' for name in form.required if name not in written.values]
        stated = written.values.keys() | (beside.values.keys() if beside else set())
        if not missing and form.one_of and not stated & set(form.one_of):
            missing = [" or ".join(f'"{name}"' for name in form.one_of)]
        if missing:
            place = node.location if node else kind.location
            self._error(f'"{kind.text}" needs {" and ".join(missing)}', place, f"For example {form.example}")
            return None
        return written

    def _keys(
        self, form: Form, kind: Scalar, node: nodes.Mapping, options: dict[str, Shape], written: Written
    ) -> None:
        known = form.parameters | options
        for key, value in node.entries:
            if key.text in known:
                self._put(written, key.text, known[key.text], value)
            elif key.text in OPTIONS:
                hint = f"Write {{{kind.text}: …, {key.text}: …}}."
                self._error(f'"{key.text}" belongs beside "{kind.text}", not inside it', key.location, hint)
            else:
                hint = close_match(key.text, known) or f"One of: {', '.join(known)}."
                self._error(f'"{kind.text}" has no "{key.text}"', key.location, hint)

    def _shorthand(self, form: Form, kind: Scalar, node: Node, written: Written) -> None:
        if form.shorthand is None:
            hint = f"For example {form.example}"
            self._error(f'"{kind.text}" cannot be followed by {describe(node)}', node.location, hint)
            return
        try:
            value = form.shorthand.read(node)
        except DefinitionError as error:
            self._problems.add(error)
            return
        match form.stands_for:
            case (only,):
                written.put(only, value, node)
            case ("table", "column"):
                written.put("table", value[:2], node)
                written.put("column", value[2], node)
            case both:
                for key, part in zip(both, value, strict=True):
                    if part is not None:
                        written.put(key, part, node)
