"""Layers look down, files are short, nothing is decided by a string: read from the source, for all of it."""

import ast
import importlib
import inspect
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests import rules
from tests.rules import Module, modules

# each line may import only from the lines above it; the lowest also within itself
LAYERS = [
    ["errors", "types", "linalg", "draws", "parts", "outcome", "storage"],
    ["physics", "noise", "constraints", "groups", "metrics"],
    ["networks"],
    ["reconstructors", "losses", "diagnosis", "data"],
    ["contracts", "training", "evaluation"],
    ["trust", "schema"],
    ["catalogue"],
    ["assemble"],
    ["recipe"],
    ["report", "experiments"],
    ["app"],
    ["demo"],
    ["cli"],
]
LAYER = {room: number for number, rooms in enumerate(LAYERS) for room in rooms} | {"": len(LAYERS)}
NEVER = {
    "losses": {"reconstructors", "networks", "data"},
    "reconstructors": {"losses"},
    "networks": {"physics", "noise"},
    "physics": {"groups"},
    "schema": set(LAYER) - {"schema", "errors", "outcome"},
}
# where a user's text is turned into objects (and data.readers, where the ending of a file's name is)
READERS = {"schema", "catalogue", "assemble", "recipe", "cli"}
# heavy or optional packages, each imported at one place when it is needed; the command line imports all when it runs
DOORS = {
    "cli": frozenset({"nullsight", "torch", "cyclopts", "rich"}),
    "training": frozenset({"lightning_fabric", "rich"}),
    "physics": frozenset({"finufft"}),
    "reconstructors": frozenset({"pywt"}),
    "data": frozenset({"tifffile", "imageio", "pydicom", "nibabel", "zarr", "ismrmrd", "pooch"}),
}
# what seeds a global generator on behalf of callers that have forked it
FORKED = {"training.state": {"torch.default_generator.manual_seed", "torch.cuda.manual_seed"}}
LONGEST, MEDIAN, CONTRACT = 300, 130, 60
CONTRACTS = {
    "physics": ["Physics", "LinearPhysics"],
    "groups": ["Family", "Group", "FiniteGroup"],
    "reconstructors": ["Reconstructor"],
    "losses": ["Evidence", "Loss"],
    "noise": ["Noise"],
}
ROOMS_WITH_TABLES = ["physics", "groups", "noise", "networks", "reconstructors", "losses"]
FILES = modules()
EACH = pytest.mark.parametrize("module", [one for name, one in FILES.items() if name], ids=lambda one: one.name)


def test_every_room_has_a_layer() -> None:
    assert {one.room for one in FILES.values()} - {""} <= LAYER.keys()


@EACH
def test_imports_look_down(module: Module) -> None:
    assert rules.upward(module, LAYER, set(FILES)) == []
    rooms = {target.split(".")[0] for target, _ in rules.imports(module, set(FILES))}
    assert rooms & NEVER.get(module.room, set()) == set()


def test_no_import_loops() -> None:
    assert rules.loop(rules.graph(FILES)) == []


def test_training_knows_no_kind_by_name() -> None:
    kinds = {"physics", "groups", "networks", "reconstructors", "losses"}
    for module in FILES.values():
        if module.room == "training":
            known = {target for target, _ in rules.imports(module, set(FILES)) if target.split(".")[0] in kinds}
            assert all(target.endswith(".base") for target in known), f"{module.name} imports {known}"


@EACH
def test_rules_of_style(module: Module) -> None:
    assert len(module.text.splitlines()) < LONGEST
    assert "from __future__" not in module.text
    seeds = [hit for hit in rules.global_randomness(module) if hit.split()[-1] not in FORKED.get(module.name, ())]
    assert seeds == []
    assert module.room == "cli" or rules.positional_flags(module) == []
    assert rules.imports_in_functions(module, DOORS.get(module.room, frozenset())) == []
    if module.room not in READERS and not module.name.startswith("data.readers"):
        assert rules.catch_alls(module) == []
        assert rules.string_switches(module) == []


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_files_of_tests_are_no_longer_than_others(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_most_files_are_far_shorter() -> None:
    assert statistics.median(len(one.text.splitlines()) for one in FILES.values()) < MEDIAN


@pytest.mark.parametrize(("room", "name"), [(room, name) for room, names in CONTRACTS.items() for name in names])
def test_contracts_are_small(room: str, name: str) -> None:
    defined = [(n, one.text) for one in FILES.values() if one.room == room for n in one.tree.body]
    [(found, text)] = [(n, t) for n, t in defined if isinstance(n, ast.ClassDef) and n.name == name]
    assert rules.code_lines(found, text) <= CONTRACT


@pytest.mark.parametrize("room", ROOMS_WITH_TABLES)
def test_tables(room: str) -> None:
    package = importlib.import_module(f"nullsight.{room}")
    assert package.TABLE
    for name, part in package.TABLE.items():
        assert inspect.isclass(part)
        assert named_after(name, part.__name__)
        assert not inspect.isabstract(part)
        for argument in inspect.signature(part).parameters.values():
            assert argument.annotation is not inspect.Parameter.empty, f"{part.__name__}({argument.name}) has no type"
            assert argument.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        if room != "noise":
            assert part.__name__ in package.__all__


@pytest.mark.parametrize("room", ROOMS_WITH_TABLES)
def test_every_table_entry_has_a_case(room: str) -> None:
    table = importlib.import_module(f"nullsight.{room}").TABLE
    cases = rules.SOURCE.parents[1] / "tests" / "cases"
    nodes = [n for path in cases.glob("*.py") for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    used = {n.id for n in nodes if isinstance(n, ast.Name)} | {n.attr for n in nodes if isinstance(n, ast.Attribute)}
    assert {part.__name__ for part in table.values()} - used == set()


def named_after(name: str, part: str) -> bool:
    """Say whether a recipe's name is that of the class in snake_case, wherever one sees words in it."""
    return re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name) is not None and name.replace("_", "") == part.lower()


HEAVY = ["torchvision", "matplotlib", "lightning_fabric", "torchmetrics", "pandas", "skimage"]


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("nullsight", ["torch", "numpy", "scipy", *HEAVY]),
        ("nullsight.schema", ["torch", *HEAVY]),
        ("nullsight.cli", ["torch", *HEAVY]),
        ("nullsight.physics, nullsight.groups, nullsight.networks, nullsight.losses, nullsight.app", HEAVY),
    ],
)
def test_light_imports(imported: str, absent: list[str]) -> None:
    lines = f"import sys, {imported}\nprint([n for n in {absent} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


# --- the rules themselves must see bad code


def _module(text: str, name: str = "losses.bad") -> Module:
    return Module(name, text)


KNOWN = {"app", "losses", "losses.bad", "networks", "networks.unet", "physics", "physics.base", "groups", "types"}


@pytest.mark.parametrize(
    "line",
    [
        "from nullsight.training import fit",
        "from nullsight.data import read",
        "from nullsight import app",
        "import nullsight.cli",
        "def f():\n    from nullsight.recipe import Recipe",
    ],
)
def test_upward_imports_are_seen(line: str) -> None:
    assert rules.upward(_module(line), LAYER, KNOWN) != []


def test_downward_imports_are_let_through() -> None:
    text = (
        "from nullsight.types import Image\nfrom nullsight.physics.base import Physics\nfrom nullsight.losses import a"
    )
    assert rules.upward(_module(text), LAYER, KNOWN) == []


def test_loops_are_seen() -> None:
    files = {
        "a.one": _module("from nullsight.a import two", "a.one"),
        "a.two": _module("from nullsight.a.one import x", "a.two"),
    }
    assert rules.loop(rules.graph(files)) == ["a.one", "a.two", "a.one"]
    files["a.two"] = _module("def late():\n    from nullsight.a.one import x", "a.two")
    assert rules.loop(rules.graph(files)) == []


@pytest.mark.parametrize(
    "line",
    [
        'if mode == "fast": pass',
        'x = 1 if "fast" != mode else 2',
        'if mode in ("fast", "slow"): pass',
        'match mode:\n    case "fast": pass',
        'match mode:\n    case "fast" | "slow": pass',
    ],
)
def test_string_switches_are_seen(line: str) -> None:
    assert rules.string_switches(_module(line)) != []


@pytest.mark.parametrize(
    "line",
    ['if __name__ == "__main__": pass', 'if x.device.type == "cuda": pass', "if n == 1: pass", "if a in known: pass"],
)
def test_other_comparisons_are_let_through(line: str) -> None:
    assert rules.string_switches(_module(line)) == []


@pytest.mark.parametrize(
    "line",
    [
        "torch.manual_seed(0)",
        "torch.cuda.manual_seed_all(0)",
        "torch.default_generator.manual_seed(0)",
        "np.random.seed(0)",
        "random.seed(0)",
        "np.random.normal()",
        "torch.randn(3)",
        "with torch.no_grad():\n    torch.manual_seed(0)",
    ],
)
def test_global_randomness_is_seen(line: str) -> None:
    assert rules.global_randomness(_module(line)) != []


@pytest.mark.parametrize(
    "line",
    [
        "torch.randn(3, generator=g)",
        "torch.Generator().manual_seed(0)",
        "np.random.default_rng(0)",
        "with torch.random.fork_rng(devices=[]):\n    torch.manual_seed(0)",
    ],
)
def test_own_randomness_is_let_through(line: str) -> None:
    assert rules.global_randomness(_module(line)) == []


def test_the_other_rules_see_bad_code() -> None:
    assert rules.catch_alls(_module("def f(**kwargs): pass")) != []
    assert rules.catch_alls(_module("def f(a, *rest): g(**a)")) == []
    assert rules.positional_flags(_module("def f(x, a: bool = True): pass")) != []
    assert rules.positional_flags(_module("def f(*, a: bool = True): pass")) == []
    late = _module("def f():\n    import matplotlib.pyplot")
    assert rules.imports_in_functions(late, frozenset()) != []
    assert rules.imports_in_functions(late, frozenset({"matplotlib"})) == []


def test_lines_of_code_leave_out_words() -> None:
    words = '    """Words.\n\n    More."""\n\n    # why\n'
    text = f'class A:\n{words}    x = 1\n\n    def f(self):\n        """Say."""\n        return 1\n'
    [found] = [n for n in ast.parse(text).body if isinstance(n, ast.ClassDef)]
    assert rules.code_lines(found, text) == 4


def test_recipe_names() -> None:
    assert named_after("cartesian_mri", "CartesianMRI")
    assert named_after("dncnn", "DnCNN")
    assert not named_after("CartesianMRI", "CartesianMRI")
    assert not named_after("mri", "CartesianMRI")
    assert not named_after("_unet", "UNet")
