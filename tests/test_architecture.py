"""The tree keeps its shape: which way imports point, and one door for each outside package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "pyresponses_ws"
#: Lines above which a module holds more than one idea.
MODULE_LINES = 400
#: Lines of code above which a function does more than one step.
FUNCTION_LINES = 30

WORDS = {
    *("codec", "commands", "config", "errors", "events", "failures", "guards", "headers"),
    *("items", "lazy", "model", "partial", "proxies", "report", "schema", "timeout", "urls"),
    "version",
}
CORE = WORDS | {"_protocol"}
RUNTIME = CORE | {"_transport", "_runtime"}
FACE = {
    *("client", "connection", "diagnosis", "input_items", "prepare", "responses"),
    *("stored_stream", "stream"),
}
#: What each unit, a module or folder right below the package, may import beside itself. It is the
#: picture in README.md as data; siblings are absent from each other's sets.
MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(WORDS, WORDS),
    "errors": set(),
    "lazy": set(),
    "version": set(),
    "_protocol": WORDS,
    "_transport": WORDS,
    "_runtime": CORE | {"_transport"},
    **dict.fromkeys(FACE, RUNTIME | FACE),
    "otel": WORDS,
    "server": CORE,
    "testing": RUNTIME | FACE | {"server"},
    "cli": RUNTIME | FACE | {"server", "testing", ""},
    # The root, "", shows the public names; it must never pull in the applications.
    "": WORDS | FACE,
}
#: Single modules that may import more than their unit: the engine that is a client itself.
MAY_IMPORT_BESIDES = {"server/engines/upstream/engine.py": {"_transport"}}

#: The only places where an outside package may be imported, as prefixes of paths.
DOORS = {
    "websocket": ("_transport/",),
    "python_socks": ("_transport/proxy_socks.py",),
    "requests": ("_transport/http_adapter.py",),
    "urllib3": ("_transport/http_adapter.py",),
    "dataclasses_json": ("model.py",),
    "marshmallow": ("schema.py",),
    "orjson": ("codec.py",),
    "starlette": tuple(
        f"server/{name}.py" for name in ("app", "creates", "exchange", "gate", "resources", "sse")
    ),
    "uvicorn": ("server/serve.py", "server/protocols.py"),
    "h11": ("server/protocols.py",),
    "websockets": ("server/protocols.py",),
    "yaml": ("server/engines/",),
    "rich": ("cli/",),
    "torch": ("server/engines/transformers/model.py", "server/engines/transformers/load.py"),
    "transformers": ("server/engines/transformers/model.py", "server/engines/transformers/load.py"),
    "PIL": ("server/engines/transformers/model.py",),
    "jinja2": ("server/engines/transformers/load.py",),
    "openai": (),
    "opentelemetry": ("otel.py",),
    "asyncio": tuple(
        f"server/{name}.py"
        for name in ("app", "sse", "serve", "peer", "pump", "protocols", "transport")
    ),
    "threading": ("_runtime/", "server/", "testing/"),
    "queue": ("_runtime/", "server/", "testing/"),
    "concurrent": ("server/", "testing/"),
}
#: Folders that hold decisions only, and what a decision has no business with.
PURE = ("_protocol/", "server/core/")
EFFECTS = {
    *("asyncio", "concurrent", "logging", "os", "queue", "select", "selectors", "signal"),
    *("socket", "ssl", "subprocess", "threading", "time"),
}


class Import(NamedTuple):
    """One import statement, by the module that holds it and the module that it names."""

    importer: str
    imported: str
    line: int
    is_at_top: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def _files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _label(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def _imports(file: Path) -> Iterator[Import]:
    """Yield every import of a file, those for type checking and inside functions too."""
    tree = ast.parse(file.read_text("utf-8"))
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        for name in _named(node, file):
            yield Import(_label(file), name, getattr(node, "lineno", 0), id(node) in top)


def _named(node: ast.AST, file: Path) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [_resolve(_written_out(node, file), alias.name) for alias in node.names]
    return []


def _written_out(node: ast.ImportFrom, file: Path) -> str:
    """Return the module of a ``from`` import without its leading dots."""
    if not node.level:
        return node.module or ""
    package = file.relative_to(ROOT).parts[: -node.level]
    return ".".join([*package, *filter(None, [node.module])])


def _resolve(module: str, name: str) -> str:
    """Tell ``from package import module`` from ``from module import name``."""
    below = ROOT / Path(*module.split("."), name)
    is_module = below.is_dir() or below.with_suffix(".py").is_file()
    return f"{module}.{name}" if is_module else module


def _unit(module: str) -> str:
    """Return the part of a dotted name right below the package; "" for the package itself."""
    return [*module.split("."), ""][1]


def _unit_of_label(label: str) -> str:
    first = label.split("/")[0].removesuffix(".py")
    return "" if first == "__init__" else first


def _is_ours(module: str) -> bool:
    return module.split(".")[0] == "pyresponses_ws"


ALL = [found for file in _files() for found in _imports(file)]


def test_every_unit_has_its_place_in_the_picture() -> None:
    """A new module or folder is added to the picture before anything may import it."""
    assert {_unit_of_label(_label(file)) for file in _files()} <= set(MAY_IMPORT)


def test_imports_point_down() -> None:
    """Nothing imports what is above it or beside it."""
    bad = []
    for found in ALL:
        unit, target = _unit_of_label(found.importer), _unit(found.imported)
        allowed = MAY_IMPORT[unit] | MAY_IMPORT_BESIDES.get(found.importer, set())
        if _is_ours(found.imported) and target != unit and target not in allowed:
            bad.append(str(found))
    assert bad == []


def test_errors_imports_nothing_of_the_package() -> None:
    """Whatever else breaks, the exceptions can be imported."""
    assert [str(f) for f in ALL if f.importer == "errors.py" and _is_ours(f.imported)] == []


def test_no_circle_of_imports() -> None:
    """Taken at import time, the modules have an order."""
    waits: dict[str, set[str]] = {_dotted(file): set() for file in _files()}
    for found in ALL:
        importer = _dotted(PACKAGE / found.importer)
        if found.is_at_top and found.imported in waits and found.imported != importer:
            waits[importer].add(found.imported)
    while ready := {module for module, needs in waits.items() if not needs}:
        waits = {m: needs - ready for m, needs in waits.items() if m not in ready}
    assert waits == {}


def _dotted(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("outside", sorted(DOORS))
def test_an_outside_package_has_one_door(outside: str) -> None:
    """Its exceptions and its quirks are met in one place only."""
    bad = [
        str(found)
        for found in ALL
        if found.imported.split(".")[0] == outside and not found.importer.startswith(DOORS[outside])
    ]
    assert bad == []


def test_pure_folders_have_no_effects() -> None:
    """Decisions need no thread, clock, socket or log to be tested."""
    bad = [
        str(found)
        for found in ALL
        if found.importer.startswith(PURE) and found.imported.split(".")[0] in EFFECTS
    ]
    assert bad == []


def test_modules_stay_short() -> None:
    """A module with more lines than this holds more than one idea."""
    lengths = {_label(file): len(file.read_text("utf-8").splitlines()) for file in _files()}
    assert {name: n for name, n in lengths.items() if n > MODULE_LINES} == {}


def _functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines that hold code: no signature, docstring, comment or blank line."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    nodes = (node for statement in body for node in ast.walk(statement))
    spans = (range(n.lineno, (n.end_lineno or n.lineno) + 1) for n in nodes if hasattr(n, "lineno"))
    return len({line for span in spans for line in span})


def test_functions_do_one_step() -> None:
    """Over this length, the middle of a function deserves a name."""
    long = [
        f"{_label(file)}:{function.lineno} {function.name}"
        for file in _files()
        for function in _functions(file)
        if _code_lines(function) > FUNCTION_LINES
    ]
    assert long == []
