"""The code behind a job: the modules its entry imports, found by reading imports, not by running them."""

import ast
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder: where `pipeline` and `plugins` lie."""


def code_files(*modules: str, root: Path = ROOT) -> list[str]:
    """Paths, relative to `root`, of the modules and of everything of the project that they import, sorted.

    Imports inside functions count, and so do tables (.tsv) beside a module that names them. Modules outside `root`
    (installed packages) do not.
    """
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        path = _locate(todo.pop(), root)
        if path is not None and path not in seen:
            seen.add(path)
            stamp = (root / path).stat()
            imports, tables = _read(root / path, path, stamp.st_mtime_ns, stamp.st_size)
            todo += imports
            seen |= {table for table in tables if (root / table).is_file()}
    return sorted(seen)


def code_digest(files: Iterable[str], root: Path = ROOT) -> str:
    """`sha256:...` over the names and bytes of code files."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{hashlib.sha256((root / name).read_bytes()).hexdigest()}\n".encode())
    return "sha256:" + total.hexdigest()


def _locate(module: str, root: Path) -> str | None:
    base = Path(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if (root / candidate).is_file():
            return candidate.as_posix()
    return None


@functools.lru_cache(maxsize=4096)
def _read(file: Path, relative: str, _mtime: int, _size: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Modules that a file imports, and paths of tables beside it that it names."""
    package = relative.removesuffix(".py").split("/")[:-1]
    found, tables = _parents([*package, "_"]), []
    for node in ast.walk(ast.parse(file.read_text(), filename=relative)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found += [alias.name, *_parents(alias.name.split("."))]
        elif isinstance(node, ast.ImportFrom):
            parts = package[: len(package) - node.level + 1] if node.level else []
            parts = parts + (node.module.split(".") if node.module else [])
            found += [".".join(parts), *_parents(parts)]
            found += [".".join([*parts, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".tsv"):
            tables.append("/".join([*package, node.value]))
    return tuple(found), tuple(tables)


def _parents(parts: list[str]) -> list[str]:
    return [".".join(parts[:i]) for i in range(1, len(parts))]
