"""Options of a package as they are typed: ``--values FILE`` and ``--set NAME=VALUE``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
import yaml


def chosen_options(
    schema: Mapping[str, Any],
    settings: Sequence[str],
    values: Path | None,
    read: Callable[[Path], bytes],
) -> dict[str, Any]:
    """The options that somebody chose: those of the file, then each setting over them.

    Args:
        schema: The package's options; a setting is read as the type of its option.
        settings: ``name=value``; with dots, a key inside an object option.
        values: YAML or JSON file with a mapping.
        read: Reads that file.

    Raises:
        typer.BadParameter: A setting has no ``=``, or the file holds no mapping.
    """
    # Here, because the schema library that comes with it would delay every other command.
    from vdc.library.options import typed

    options = _from_file(values, read) if values else {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"--set {setting}: write it as NAME=VALUE")
        _put(options, name.split("."), typed(schema, name, text))
    return options


def _from_file(file: Path, read: Callable[[Path], bytes]) -> dict[str, Any]:
    try:
        found = yaml.safe_load(read(file))
    except OSError as error:
        raise typer.BadParameter(f"--values {file}: {error.strerror or error}") from error
    except yaml.YAMLError as error:
        raise typer.BadParameter(f"--values {file}: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise typer.BadParameter(f"--values {file}: holds no mapping of options to values")
    return found


def _put(options: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        inner = options.setdefault(key, {})
        if not isinstance(inner, dict):
            raise typer.BadParameter(f"--set {'.'.join(path)}: {key} is not an object")
        options = inner
    options[path[-1]] = value
