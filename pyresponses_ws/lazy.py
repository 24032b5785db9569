"""Public names that load their module when they are first asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, Iterable[str]]
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__all__``, ``__getattr__`` and ``__dir__`` of a package.

    ``homes`` maps each module right below it to the names that it defines.
    """
    home_of = {name: module for module, names in homes.items() for name in names}
    #: A name that was loaded once is found there first, without a call.
    namespace = vars(sys.modules[package])

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{home_of[name]}"), name)
        namespace[name] = value
        return value

    def names() -> list[str]:
        return sorted({*namespace, *home_of})

    return sorted(home_of), load, names


def load_all(package: str, homes: Iterable[str]) -> None:
    """Load every module of such a package now."""
    for module in homes:
        importlib.import_module(f"{package}.{module}")
