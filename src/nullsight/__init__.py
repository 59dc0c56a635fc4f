"""nullsight: learn to reconstruct images from measurements alone.

Rooms and the few functions that join them are imported when they are first asked for, so that ``import nullsight`` and
the command line's help cost nothing::

    import nullsight as ns

    physics = ns.physics.Inpainting((1, 256, 256), mask)
    run = ns.fit(f, measurements, physics, loss, minutes=10, out="runs/first", seed=0)
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_ROOMS = (
    "constraints",
    "contracts",
    "data",
    "diagnosis",
    "evaluation",
    "groups",
    "losses",
    "metrics",
    "networks",
    "noise",
    "physics",
    "reconstructors",
    "training",
    "trust",
)
_NAMES = {
    "Draws": "nullsight.draws",
    "InputError": "nullsight.types",
    "diagnose": "nullsight.diagnosis",
    "evaluate": "nullsight.evaluation",
    "fit": "nullsight.app",
    "fit_single": "nullsight.app",
    "load": "nullsight.app",
}

__all__ = [
    "Draws",
    "InputError",
    "constraints",
    "contracts",
    "data",
    "diagnose",
    "diagnosis",
    "evaluate",
    "evaluation",
    "fit",
    "fit_single",
    "groups",
    "load",
    "losses",
    "metrics",
    "networks",
    "noise",
    "physics",
    "reconstructors",
    "training",
    "trust",
]


def __getattr__(name: str) -> Any:
    """Import a room, or the function or class of that name, on first use (PEP 562)."""
    if name in _ROOMS:
        return import_module(f"nullsight.{name}")
    if name in _NAMES:
        value = getattr(import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nullsight' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted({*__all__, "__version__"})
