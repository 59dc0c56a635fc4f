"""Training: the loop of Algorithm 1, its plan, its checkpoints and what is left of it, a run."""

from nullsight.training.checkpoint import Checkpoints
from nullsight.training.chooser import Chooser, HeldOutTotal
from nullsight.training.folders import new_run_folder
from nullsight.training.held_out import Observer, TruthScore
from nullsight.training.muon import Muon
from nullsight.training.optimisers import Adam, AdamW, Optimiser
from nullsight.training.progress import Bar, Display, PlainLines, Silent
from nullsight.training.run import Interrupted, Run, open_run
from nullsight.training.schedules import Constant, Cosine, Schedule, Steps
from nullsight.training.settings import Settings
from nullsight.training.train import train
from nullsight.training.weights import load_weights, read_weights

__all__ = [
    "CHOOSERS",
    "OPTIMISERS",
    "SCHEDULES",
    "Adam",
    "AdamW",
    "Bar",
    "Checkpoints",
    "Chooser",
    "Constant",
    "Cosine",
    "Display",
    "HeldOutTotal",
    "Interrupted",
    "Muon",
    "Observer",
    "Optimiser",
    "PlainLines",
    "Run",
    "Schedule",
    "Settings",
    "Silent",
    "Steps",
    "TruthScore",
    "load_weights",
    "new_run_folder",
    "open_run",
    "read_weights",
    "train",
]

OPTIMISERS: dict[str, type[Optimiser]] = {
    "adam": Adam,
    "adam_w": AdamW,
    "muon": Muon,
}

SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "steps": Steps,
    "cosine": Cosine,
}

CHOOSERS: dict[str, type[Chooser]] = {"held_out_total": HeldOutTotal}

TABLE: dict[str, type] = {**OPTIMISERS, **SCHEDULES}
