"""The house rules as functions of source text: each returns what is wrong, so that each can be tried on bad code."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "nullsight"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name below nullsight and its text."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        return self.name.split(".")[0]

    @cached_property
    def inside_functions(self) -> frozenset[ast.AST]:
        functions = [n for n in ast.walk(self.tree) if isinstance(n, Function)]
        return frozenset(inner for f in functions for part in f.body for inner in ast.walk(part))


def modules(root: Path = SOURCE) -> dict[str, Module]:
    """Return all source files by dotted name; a package's own file has the package's name, the top one is ''."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path.read_text(encoding="utf-8"))
    return found


def imports(module: Module, known: set[str]) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the files of nullsight that a file imports, anywhere in it, with the statement."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "nullsight":
                    yield alias.name.removeprefix("nullsight").removeprefix("."), node
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nullsight":
            package = (node.module or "").removeprefix("nullsight").removeprefix(".")
            for alias in node.names:
                if not package and alias.name == "__version__":
                    continue
                inner = f"{package}.{alias.name}".lstrip(".")
                yield (inner if inner in known else package), node
        if isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"{module.name}:{node.lineno}: imports are absolute here")


def upward(module: Module, layer: Mapping[str, int], known: set[str]) -> list[str]:
    """Return imports from the same layer (another room) or from above."""
    wrong = []
    for target, node in imports(module, known):
        room = target.split(".")[0]
        bottom = layer[module.room] == layer[room] == 0
        if room != module.room and not bottom and layer[room] >= layer[module.room]:
            wrong.append(f"{module.name}:{node.lineno} imports {target}")
    return wrong


def loop(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the names along one import loop, or nothing."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for target in sorted(graph.get(name, ())):
            if around := walk(target, [*path, name]):
                return around
        done.add(name)
        return []

    return next((around for name in sorted(graph) if (around := walk(name, []))), [])


def graph(files: Mapping[str, Module]) -> dict[str, set[str]]:
    """Return which file imports which when it is loaded; the lazy top package is left out."""
    known = set(files)
    return {
        name: {t for t, node in imports(one, known) if node not in one.inside_functions and t}
        for name, one in files.items()
        if name
    }


def catch_alls(module: Module) -> list[str]:
    """Return functions that take ``**kwargs``."""
    functions = (n for n in ast.walk(module.tree) if isinstance(n, Function | ast.Lambda))
    return [f"{module.name}:{f.lineno}" for f in functions if f.args.kwarg is not None]


def string_switches(module: Module) -> list[str]:
    """Return decisions by comparison with a text (not ``__name__``, kinds of device and dtype, endings of files)."""
    wrong = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.If | ast.IfExp):
            compared = [c for c in ast.walk(node.test) if isinstance(c, ast.Compare)]
            wrong += [f"{module.name}:{c.lineno} {ast.unparse(c)}" for c in compared if _with_text(c)]
        if isinstance(node, ast.match_case):
            texts = [v for v in ast.walk(node.pattern) if isinstance(v, ast.MatchValue) and _text(v.value)]
            wrong += [f"{module.name}:{v.lineno} case {ast.unparse(v)}" for v in texts]
    return wrong


def _with_text(compare: ast.Compare) -> bool:
    left = ast.unparse(compare.left)
    if left == "__name__" or left.endswith(("device.type", "dtype.kind", ".suffix")):
        return False
    for operator, right in zip(compare.ops, compare.comparators, strict=True):
        if isinstance(operator, ast.Eq | ast.NotEq) and (_text(right) or _text(compare.left)):
            return True
        several = isinstance(right, ast.Tuple | ast.List | ast.Set) and bool(right.elts) and all(map(_text, right.elts))
        if isinstance(operator, ast.In | ast.NotIn) and several:
            return True
    return False


def _text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != ""


def imports_in_functions(module: Module, doors: frozenset[str]) -> list[str]:
    """Return imports inside functions of anything but the packages in ``doors``."""
    wrong = []
    for node in module.inside_functions:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        wrong += [f"{module.name}:{node.lineno} {name}" for name in names if name.split(".")[0] not in doors]
    return sorted(wrong)


_SEEDING = re.compile(r"(^|\.)(manual_seed|manual_seed_all|seed_everything|random\.seed|torch\.seed)$")
_DRAWING = re.compile(
    r"^torch\.(rand|randn|randint|randperm|normal|bernoulli|poisson|multinomial|rand_like|randn_like)$"
)
_NUMPY = re.compile(r"^(np|numpy)\.random\.(?!Generator$|Generator\(|Philox$|SeedSequence$|default_rng$)")
_OF_ITS_OWN = re.compile(r"(^|\.)Generator\(.*\)\.manual_seed$|(^|[._])generator\.manual_seed$")


def global_randomness(module: Module) -> list[str]:
    """Return calls that seed or draw from a global generator outside a ``fork_rng`` block."""
    forked = {
        inner
        for node in ast.walk(module.tree)
        if isinstance(node, ast.With) and any("fork_rng" in ast.unparse(item) for item in node.items)
        for inner in ast.walk(node)
    }
    wrong = []
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or node in forked:
            continue
        name = ast.unparse(node.func)
        seeds = _SEEDING.search(name) and not (_OF_ITS_OWN.search(name) and "default_generator" not in name)
        draws = _DRAWING.match(name) and not any(k.arg == "generator" for k in node.keywords)
        if seeds or draws or _NUMPY.match(name):
            wrong.append(f"{module.name}:{node.lineno} {name}")
    return wrong


def positional_flags(module: Module) -> list[str]:
    """Return positional flags of public functions; a flag that is the only parameter is a value, not a switch."""
    wrong = []
    for f in (n for n in ast.walk(module.tree) if isinstance(n, Function) and not n.name.startswith("_")):
        given = [a for a in f.args.args if a.arg not in ("self", "cls")]
        flags = [a.arg for a in given if a.annotation is not None and ast.unparse(a.annotation) == "bool"]
        wrong += [f"{module.name}:{f.lineno} {f.name}({flag}: bool)" for flag in flags if len(given) > 1]
    return wrong


def code_lines(definition: ast.ClassDef, text: str) -> int:
    """Count the lines of a class without docstrings, comments and blank lines."""
    assert definition.end_lineno is not None
    silent: set[int] = set()
    for node in ast.walk(definition):
        if isinstance(node, Function | ast.ClassDef) and ast.get_docstring(node) is not None:
            first = node.body[0]
            assert first.end_lineno is not None
            silent |= set(range(first.lineno, first.end_lineno + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(
        definition.lineno <= number <= definition.end_lineno
        and number not in silent
        and bool(line.strip())
        and not line.strip().startswith("#")
        for number, line in lines
    )


def silent_raises(module: Module) -> list[str]:
    """Return public functions, and classes whose constructor does, that raise an InputError and do not say so."""
    wrong = []
    for node in module.tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        body: list[ast.AST] = [node]
        told = ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef):
            builders = [f for f in node.body if isinstance(f, Function) and f.name in ("__init__", "__post_init__")]
            told += " ".join(ast.get_docstring(f) or "" for f in builders)
            body = [*builders]
        raised = [r for part in body for r in ast.walk(part) if isinstance(r, ast.Raise) and _is_input_error(r)]
        if raised and "InputError" not in told:
            wrong.append(f"{module.name}:{node.lineno} {node.name}")
    return wrong


def _is_input_error(node: ast.Raise) -> bool:
    return isinstance(node.exc, ast.Call) and ast.unparse(node.exc.func).split(".")[-1] == "InputError"


def unexplained(names: list[str], docstring: str) -> list[str]:
    """Return the names that do not occur as words in a docstring."""
    return [name for name in names if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", docstring) is None]
