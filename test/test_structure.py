"""Limits that keep the code easy to find one's way in."""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "icnet_ros"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)
MAX_LINES, MAX_METHODS, MAX_MODULES = 300, 12, 15


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def trees():
    return {name_of(path): ast.parse(path.read_text()) for path in MODULES}


def test_no_module_is_long():
    files = [*MODULES, *(ROOT / "test").rglob("*.py"), *(ROOT / "launch").glob("*.py")]
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    long = {name: count for name, count in lines.items() if count > MAX_LINES}
    assert not long, f"over {MAX_LINES} lines: split by subject"


def test_no_class_has_many_public_methods():
    many = {}
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                functions = (item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef))
                public = [function.name for function in functions if not function.name.startswith("_")]
                if len(public) > MAX_METHODS:
                    many[f"{module}.{node.name}"] = len(public)
    assert not many, f"over {MAX_METHODS} public methods"


def test_no_folder_has_many_modules():
    counts = Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert not {str(folder): count for folder, count in counts.items() if count > MAX_MODULES}, "group them in folders"


def imports(tree, names):
    """Modules of the package that a module imports, anywhere in it but for type checks."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & names


def test_no_modules_import_each_other_in_a_circle():
    """Also not through imports inside of functions, which would hide it."""
    graph = trees()
    for tree in graph.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                node.body = [ast.Pass()]
    names = {name for name in graph if not (PACKAGE / "/".join(name.split(".")[1:]) / "__init__.py").exists()}
    edges = {name: imports(graph[name], names) - {name} for name in names}
    done, path = set(), []

    def visit(name):
        if name in path:
            raise AssertionError(" -> ".join([*path[path.index(name) :], name]))
        if name not in done:
            path.append(name)
            for other in sorted(edges[name]):
                visit(other)
            done.add(path.pop())

    for name in sorted(names):
        visit(name)
