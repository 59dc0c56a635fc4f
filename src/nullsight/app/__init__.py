"""What joins the rooms: one function a command, and ``fit`` and ``load`` for Python."""

from nullsight.app.check_recipe import check_recipe
from nullsight.app.diagnose_recipe import diagnose_recipe
from nullsight.app.diagnose_run import diagnose_run
from nullsight.app.dry_run import dry_run
from nullsight.app.fit_recipe import fit_recipe, resume_run
from nullsight.app.fitting import fit
from nullsight.app.reconstruct_file import reconstruct_file
from nullsight.app.report_runs import report_runs
from nullsight.app.runs import load
from nullsight.app.score_runs import evaluate_runs
from nullsight.app.select_runs import select_runs
from nullsight.app.simulate_recipe import simulate_recipe
from nullsight.app.single_image import SingleImage, fit_single
from nullsight.app.table import table

__all__ = [
    "SingleImage",
    "check_recipe",
    "diagnose_recipe",
    "diagnose_run",
    "dry_run",
    "evaluate_runs",
    "fit",
    "fit_recipe",
    "fit_single",
    "load",
    "reconstruct_file",
    "report_runs",
    "resume_run",
    "select_runs",
    "simulate_recipe",
    "table",
]
