"""Figures of the source tree: rooms, modules, names used twice, import circles, lengths of functions.

python tests/house/figures.py [SRC]             # of a folder with the package; default src
python tests/house/figures.py --at REVISION     # of a revision beside today's
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = "pytest_batcheval"
LAYERS = (
    "plugin", "testing", "cli", "client", "batch_status", "report", "quality", "engine", "recordings", "journal backends",
    "prompts", "matrix", "simulator", "catalogue", "wire", "text", "errors", "exit_status",
)  # fmt: skip
"""Rooms, top first; those of one line don't import each other. `pyproject.toml` has the same for import-linter."""


@dataclass
class House:
    """What is read off the files below a folder.

    Attributes:
        trees: the modules by dotted name, without the package's.
        imports: by module, the modules it imports at run time.
    """

    trees: dict[str, ast.Module] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)
    imports: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, source: Path) -> House:
        house, root = cls(), source / PACKAGE
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            house.trees[name] = ast.parse(text)
            house.lines[name] = sum(1 for line in text.splitlines() if line.strip())
            if parts[-1] == "__init__":
                house.packages.add(name)
        for name, tree in house.trees.items():
            house.imports[name] = {found for found in _imported(tree) if found in house.trees} - {name}
        return house

    @property
    def modules(self) -> list[str]:
        return [name for name in self.trees if name not in self.packages]

    @property
    def rooms(self) -> set[str]:
        return {name.partition(".")[0] for name in self.trees if name}

    def classes(self) -> Iterator[tuple[str, str]]:
        """Name and module of every class, nested ones too."""
        for module, tree in self.trees.items():
            yield from ((node.name, module) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))

    def functions(self) -> Iterator[tuple[int, str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        """Lines, module and node of every function."""
        for module, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield (node.end_lineno or 0) - node.lineno + 1, module, node

    def used_twice(self) -> set[str]:
        names = [name for name, _ in self.classes() if not name.startswith("_")]
        return {name for name in names if names.count(name) > 1}

    def upwards(self) -> list[str]:
        """Imports from a room to one that stands above it, or beside it on the same line."""
        rank = {room: number for number, line in enumerate(LAYERS) for room in line.split()}
        return [
            f"{module} -> {target}"
            for module, targets in self.imports.items()
            for target in targets
            if (mine := module.partition(".")[0]) != (theirs := target.partition(".")[0])
            and mine and theirs and rank.get(theirs, -1) <= rank.get(mine, -1)
        ]  # fmt: skip

    def circles(self) -> list[set[str]]:
        """Sets of modules that import each other, each by way of the others."""
        reached = {name: self._reached(name) for name in self.trees}
        circles: list[set[str]] = []
        for name in self.trees:
            circle = {other for other in reached[name] if name in reached[other]}
            if circle and circle not in circles:
                circles.append(circle)
        return circles

    def _reached(self, start: str) -> set[str]:
        found: set[str] = set()
        todo = [start]
        while todo:
            new = self.imports[todo.pop()] - found
            found |= new
            todo += new
        return found

    def figures(self) -> dict[str, int]:
        lengths = sorted(length for length, _, _ in self.functions())
        importers = [sum(name in targets for targets in self.imports.values()) for name in self.modules]
        return {
            "top-level rooms": len(self.rooms),
            "modules": len(self.trees),
            "modules under 30 lines": sum(self.lines[name] < 30 for name in self.modules),
            "modules with one importer": importers.count(1),
            "public class names used twice": len(self.used_twice()),
            "import circles": len(self.circles()),
            "imports upwards": len(self.upwards()),
            "longest function": lengths[-1],
            "p90 of functions": lengths[int(0.9 * (len(lengths) - 1))],
            "lines": sum(self.lines.values()),
        }


def _imported(tree: ast.Module) -> Iterator[str]:
    """Names of modules below the package that may be imported at run time, absolute imports only (as the linter wants)."""
    hidden = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for statement in node.body
        for child in ast.walk(statement)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import) and id(node) not in hidden:
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and id(node) not in hidden and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}."))


def at(revision: str) -> House:
    """The tree of a revision, read from git's archive of it."""
    archive = subprocess.run(["git", "archive", revision, "src"], check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        return House.read(Path(folder) / "src")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, default=Path("src"))
    parser.add_argument("--at", metavar="REVISION", help="show a revision beside it; its layers are judged by today's")
    arguments = parser.parse_args()
    now = House.read(arguments.source)
    before = at(arguments.at).figures() if arguments.at else {}
    for name, figure in now.figures().items():
        print(f"{name:<30}" + (f" {before[name]:>7,} ->" if before else "") + f" {figure:>7,}")
    for kind, found in (("circle", now.circles()), ("upwards", now.upwards()), ("twice", now.used_twice())):
        for each in found:
            print(f"{kind}: {each}")


if __name__ == "__main__":
    main()
