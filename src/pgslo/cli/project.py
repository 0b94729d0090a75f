"""A project's files: definitions and kinds, and their content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pgslo.cli import output
from pgslo.cli.configuration import Configuration
from pgslo.definition import CustomKind, Definition, load_all, load_kinds
from pgslo.definition.yaml.reader import MAX_BYTES
from pgslo.errors import ConfigurationError, DefinitionError, DefinitionErrors, Location, PgsloError

_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True)
class Project:
    """The definitions that a command is about.

    Attributes:
        paths: Files they come from, as messages name them.
        definitions: What the files say.
        whole: Whether these are all of the project's.
    """

    paths: tuple[str, ...]
    definitions: tuple[Definition, ...]
    whole: bool


def load(configuration: Configuration, paths: Sequence[Path]) -> Project:
    """Read definitions.

    Args:
        configuration: Says where they are unless paths are given.
        paths: Files, and folders that are searched.

    Raises:
        DefinitionErrors: Everything that is wrong with any of them.
        ConfigurationError: A kind of the project's own is wrong.
        PgsloError: The project has none, or a file cannot be read.
    """
    files = find_files(configuration, paths)
    texts = {str(output.shown_path(path)): _text(path) for path in files}
    definitions = load_all(
        texts,
        kinds=load_own_kinds(configuration),
        holidays=configuration.holidays,
        history=configuration.history,
    )
    return Project(tuple(texts), definitions, whole=not paths)


def find_files(configuration: Configuration, paths: Sequence[Path]) -> tuple[Path, ...]:
    """The definition files, in the order of their names.

    Raises:
        PgsloError: The project has none.
    """
    found: dict[Path, Path] = {}
    for place in paths or (configuration.definitions,):
        for path in _files(place, given=bool(paths)):
            found.setdefault(path.resolve(), path)
    if not found:
        places = ", ".join(str(output.shown_path(path)) for path in paths or (configuration.definitions,))
        raise PgsloError(
            f"found no definitions in {places}",
            hint="a definition is a file that ends in .yml, one per table",
        )
    return tuple(found.values())


def _files(place: Path, *, given: bool) -> Iterator[Path]:
    if place.is_dir():
        yield from sorted(
            path
            for path in place.rglob("*")
            if path.suffix in _SUFFIXES
            and path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(place).parts)
        )
    elif place.exists():
        yield place
    else:
        raise PgsloError(
            f"{output.shown_path(place)} does not exist",
            hint=None if given else 'make that folder, or name another in pgslo.toml: definitions = "folder"',
        )


def load_own_kinds(configuration: Configuration) -> dict[str, CustomKind]:
    """The organisation's own kinds.

    Raises:
        ConfigurationError: The folder is not there, or a template is wrong.
    """
    folder = configuration.kinds
    if folder is None:
        return {}
    if not folder.is_dir():
        raise ConfigurationError(
            f"the folder of kinds, {output.shown_path(folder)}, does not exist",
            hint='make that folder, or leave "kinds" out of the configuration',
            location=Location(str(configuration.path), 1, 1) if configuration.path else None,
        )
    names = (path for path in folder.iterdir() if path.name.endswith((".sql", ".sql.j2")))
    return load_kinds({str(output.shown_path(path)): _text(path) for path in sorted(names)})


def _text(path: Path) -> str:
    shown = str(output.shown_path(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        # Too large a file is refused where its text is read; where it was cut does not matter.
        return data.decode("utf-8", errors="strict" if len(data) <= MAX_BYTES else "replace")
    except OSError as exc:
        raise PgsloError(f"cannot read {shown}: {(exc.strerror or str(exc)).lower()}") from exc
    except UnicodeDecodeError as exc:
        line = exc.object[: exc.start].count(b"\n") + 1
        column = exc.start - exc.object.rfind(b"\n", 0, exc.start)
        raise DefinitionErrors(
            (DefinitionError("the file is not UTF-8", location=Location(shown, line, column)),)
        ) from None
