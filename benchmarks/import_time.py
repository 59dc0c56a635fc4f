"""What importing nullsight costs beside torch, in fresh processes: ``python benchmarks/import_time.py``."""

import subprocess
import sys
from functools import partial

from common.peer import PYTHON
from common.record import Row, Section, arguments, record
from common.timing import alternate, one_core

LIMIT = 300  # milliseconds over importing torch
COMPARED = """Medians over fresh processes, in turn. The times are what is imported after `import torch`, read in the
same process: the package itself; the package with the rooms that a first experiment in Python touches (physics,
groups, networks, reconstructors, losses, `fit`); and `import deepinv` in the environment of the peers."""
ROOMS = "import nullsight as ns; ns.physics, ns.groups, ns.networks, ns.reconstructors, ns.losses, ns.fit"


def seconds(python: str, statement: str, before: str = "import torch") -> list[float]:
    """Return the time of a statement in a fresh process, after another."""
    code = f"import time; {before}; begun = time.perf_counter(); {statement}; print(time.perf_counter() - begun)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return [float(done.stdout)]


def main(words: list[str] | None = None) -> None:
    options = arguments(__doc__)
    options.set_defaults(rounds=7)
    chosen = options.parse_args(words)
    one_core()
    ours = partial(seconds, sys.executable)
    works = [
        partial(ours, "import torch", "pass"),
        partial(ours, "import nullsight"),
        partial(ours, ROOMS),
    ]
    if PYTHON.exists() and not chosen.alone:
        sys_path = f"import sys; sys.path.insert(0, {str(PYTHON.parents[2] / 'benchmarks' / 'peers')!r})"
        works.append(partial(seconds, str(PYTHON), "import deepinverse", f"{sys_path}; import torch"))
    torch_alone, package, rooms, *peer = alternate(works, chosen.rounds)
    other = peer[0] if peer else None
    name = "DeepInverse" if peer else ""
    rows = [
        Row("import nullsight", package, other, name, LIMIT, at_most=True),
        Row("import nullsight and the rooms of a first experiment", rooms, other, name),
    ]
    notes = [f"torch alone takes {torch_alone:.0f} ms"]
    record(chosen.results, "import_time", Section("Import", COMPARED, rows, notes), {})


if __name__ == "__main__":
    main()
