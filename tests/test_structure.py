"""The house: arrows between modules point down, there is no circle, and what reads a study needs no torch.

Imports are read from the source, wherever in a file they stand; nothing is imported here.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "mtl"
# From the ground up: a room imports from itself and from those before it. A room is a folder, or a module beside them.
ROOMS = (
    *("errors", "closest", "streams", "processes", "progress", "linalg", "world", "kinds", "metrics", "losses"),
    *("optim", "dst"),
    *("record", "statistics", "gating"),
    *("methods", "models", "state", "batch", "data", "photos", "gradients", "trained", "training"),
    *(
        "predict",
        "app",
        "export",
        "bench",
        "plan",
        "verify",
        "config",
        "launchers",
        "study",
        "report",
        "command",
        "cli",
    ),
)
SEEN_BY_REPORT = (
    *("report", "errors", "progress", "kinds", "metrics", "record", "statistics"),
    *("mtl.data.attributes", "mtl.data.celeba_statistics", "mtl.data.published"),
)
WITHOUT_TORCH = ("record", "statistics", "report")
TORCH = ("torch", "torchvision")
MAX_LINES, MAX_AT_ROOT = 250, 14
NO_NAMES = ("util", "helper", "misc", "common")

Graph = dict[str, set[str]]  # module -> what it imports, modules of ours and packages of others


def module_name(path: Path) -> str:
    """mtl/record/files.py is mtl.record.files, mtl/record/__init__.py is mtl.record."""
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(tree: ast.Module, modules: set[str], with_types: bool) -> set[str]:
    """What a file imports; with or without what only a type checker sees."""
    found: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & modules) | ({node.module} if inner - modules else set())
        children = node.orelse if isinstance(node, ast.If) and is_for_types(node) and not with_types else None
        waiting += ast.iter_child_nodes(node) if children is None else children
    return found


@cache
def read_graph(with_types: bool) -> Graph:
    return {name: imports(ast.parse(path.read_text()), {*MODULES}, with_types) for name, path in MODULES.items()}


def room(module: str) -> str:
    return module.split(".")[1]


def arrows_up(graph: Graph, rooms: tuple[str, ...]) -> list[str]:
    """Imports from a room further up. The package itself hands out what lies in all rooms, so nobody imports it."""
    return [
        f"{module} -> {imported}"
        for module, all_imported in graph.items()
        if module != "mtl"
        for imported in all_imported
        if imported == "mtl"
        or (imported.startswith("mtl.") and rooms.index(room(imported)) > rooms.index(room(module)))
    ]


def circle(graph: Graph) -> list[str]:
    """Some modules each of which imports the next, and the last the first; none if there is no circle."""
    left = {module: all_imported & graph.keys() for module, all_imported in graph.items()}
    while leaves := [module for module, all_imported in left.items() if not all_imported]:
        left = {module: rest - {*leaves} for module, rest in left.items() if module not in leaves}
    path = [min(left)] if left else []
    while path and path[-1] not in path[:-1]:
        path.append(min(left[path[-1]]))
    return path[path.index(path[-1]) :] if path else []


def reached(graph: Graph, module: str) -> set[str]:
    """All that is imported with a module: what it imports, what that imports, and the packages that they lie in."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [*graph.get(name, ()), *([name.rpartition(".")[0]] if "." in name else [])]
    return found


def test_every_room_has_its_place() -> None:
    assert {room(module) for module in MODULES if module != "mtl"} - {*ROOMS} == set()


def test_arrows_point_down() -> None:
    assert arrows_up(read_graph(with_types=True), ROOMS) == []


def test_there_is_no_circle() -> None:
    assert circle(read_graph(with_types=False)) == []


def test_the_report_sees_only_what_runs_left_and_its_statistics() -> None:
    graph = read_graph(with_types=True)
    seen = {name for module in graph if room_is(module, "report") for name in graph[module] if name.startswith("mtl")}
    assert {name for name in seen if name not in SEEN_BY_REPORT and room(name) not in SEEN_BY_REPORT} == set()


@pytest.mark.parametrize("of_room", WITHOUT_TORCH)
def test_no_torch_below(of_room: str) -> None:
    graph = read_graph(with_types=False)
    modules = [module for module in graph if room_is(module, of_room)]
    assert modules
    for module in modules:
        torch = {name for name in reached(graph, module) if name.split(".")[0] in TORCH}
        assert torch == set(), f"{module} imports torch"


def test_no_module_is_long() -> None:
    lengths = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert {module: length for module, length in lengths.items() if length > MAX_LINES} == {}


def test_few_modules_at_the_root() -> None:
    at_root = [path.stem for path in ROOT.glob("*.py") if path.stem != "__init__"]
    assert len(at_root) <= MAX_AT_ROOT, at_root


def test_names_say_something() -> None:
    assert [module for module in MODULES if any(word in module.rpartition(".")[2] for word in NO_NAMES)] == []


def room_is(module: str, name: str) -> bool:
    return module != "mtl" and room(module) == name


def test_what_this_file_looks_for_is_found() -> None:
    source = (
        "from typing import TYPE_CHECKING\nimport torch.nn\nfrom mtl import low\nfrom mtl.low import f\n"
        "if TYPE_CHECKING:\n    from mtl.high import T\nelse:\n    import numpy\n"
        "def g():\n    from mtl.low.inner import h\n"
    )
    modules = {"mtl.low", "mtl.high", "mtl.low.inner"}
    always = {"typing", "torch.nn", "mtl.low", "mtl.low.inner", "numpy"}
    assert imports(ast.parse(source), modules, with_types=False) == always
    assert imports(ast.parse(source), modules, with_types=True) == always | {"mtl.high"}

    graph: Graph = {
        "mtl.low.a": {"mtl.high.b", "os"},
        "mtl.high.b": {"mtl.low.c"},
        "mtl.low.c": set(),
        "mtl": {"mtl.low"},
    }
    assert arrows_up(graph, ("low", "high")) == ["mtl.low.a -> mtl.high.b"]
    assert circle(graph) == []
    graph["mtl.low.c"] = {"mtl.low.a", "torch.nn"}
    assert set(circle(graph)) == {"mtl.low.a", "mtl.high.b", "mtl.low.c"}
    assert {"mtl.low", "mtl", "torch.nn", "torch"} <= reached(graph, "mtl.low.a")
