"""In the tests a scheme of data/ is read, proved and compiled once per process, not once per command.

A book is frozen, so that sharing it changes nothing. That a command reads its scheme anew, and what altered files do,
is shown on copies of the scheme and in processes of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from groupers import scheme
from groupers.dip import load
from groupers.drg import engine, rulebook

SHIPPED = Path(__file__).parent.parent / "data" / "schemes"


def read_schemes_once() -> None:
    """Put answers that are kept in place of the two loaders and the compiler, wherever they were imported."""
    books: list[Any] = []
    _replace("load_rulebook", rulebook.load_rulebook, _loaded_once(rulebook.load_rulebook, books))
    _replace("load_catalogue", load.load_catalogue, _loaded_once(load.load_catalogue, books))
    _replace("CompiledBook", engine.CompiledBook, _compiled_once(engine.CompiledBook, books))


def _replace(name: str, original: Any, kept: Any) -> None:
    for place, module in list(sys.modules.items()):
        if place.startswith(("groupers.", "pipeline.")) and getattr(module, name, None) is original:
            setattr(module, name, kept)


def _loaded_once(read: Callable[..., Any], books: list[Any]) -> Callable[..., Any]:
    kept: dict[str, Any] = {}

    @wraps(read)
    def loaded(name: str, root: Path | None = None) -> Any:
        if root is not None or "/" in name or scheme.scheme_folder(name).parent.resolve() != SHIPPED:
            return read(name, root)
        if name not in kept:
            kept[name] = read(name)
            books.append(kept[name])
        return kept[name]

    return loaded


def _compiled_once(compiled: Callable[..., Any], books: list[Any]) -> Callable[..., Any]:
    kept: dict[int, Any] = {}

    @wraps(compiled)
    def made(book: Any) -> Any:
        if not any(book is one for one in books):
            return compiled(book)
        if id(book) not in kept:
            kept[id(book)] = compiled(book)
        return kept[id(book)]

    return made
