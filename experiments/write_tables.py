"""Write docs/results.md from results/*.json: ``python experiments/write_tables.py``."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from nullsight.evaluation import (
    Result,
    curves_table,
    markdown_table,
    mean_distance,
    paired_difference,
    read_curves,
    read_result,
)
from nullsight.storage import write_atomically

ROOT = Path(__file__).parent.parent
# the rows that paired differences are taken against, one column each, where a table has them
AGAINST = (
    "measurement consistency",
    "robust equivariant imaging",
    "supervised",
    "supervised twin",
    "total variation",
)
DAGGER = "A_dagger y"
HEAD = """# Results

Made from `results/*.json` by `python experiments/write_tables.py`. Peak of the PSNR: the maximum of each reference.
Rows are in the order of their PSNR, the best first; a paper's figures are a column beside them. Exact duplicates
among the test images count once. Brackets are 95 % t intervals over images, paired in the columns of differences.
Rows share what the `common.toml` of their folder says: network, settings and 5 planned minutes on both cores, or 5 to 8
on one where two rows were trained at a time; what a row has of its own is in its recipe. The best designs
(`bank_equivariance` for tomography, `cropped_splitting` for inpainting), the rows named after them and their
supervised twins have a network and settings of their own and, unless their recipe says 5, 30 planned minutes. Those
settings were chosen in `experiments/*_settings`: trained on the first 80 training images, the last ten reconstructed
and compared with their truth. The twins have them too; nothing was tuned for the twins, and they are not stopped
early. Weight of the equivariance and learning rate of the other rows were chosen on the same ten images; some earlier
trials, which led to the closing data steps of their reconstructor, displayed test scores too. Rows that a recipe
describes and a table lacks are not trained yet. Minutes are wall minutes, setup (all before the first step, but for
reading the data and building the operator) among them; for rows without training they are those of reconstructing the
test images.
"""


@dataclass(frozen=True)
class Beside:
    """What a paper says of a task.

    Attributes:
        title: of the column.
        psnr: true PSNR by the name of the row, dB.
        note: what else is to be said; ``{mean}``, ``{twice}`` and ``{paper}`` are those of ``A_dagger y``.
        pairs: rows whose difference, the first minus the second, is said in a line of its own.
    """

    title: str = "Chen et al. 2021"
    psnr: dict[str, float] = field(default_factory=dict)
    note: str = ""
    pairs: tuple[tuple[str, str], ...] = ()


_BY_DESIGN = tuple(
    (f"{loss} {count} equivariant", f"{loss} {count} ordinary")
    for loss, counts in (
        ("supervised", (10, 30, 90)),
        ("equivariant imaging", (10, 30, 90)),
        ("measurement consistency", (90,)),
    )
    for count in counts
)
_BY_LEARNING = tuple(
    (f"equivariant imaging 90 {network}", f"measurement consistency 90 {network}")
    for network in ("ordinary", "equivariant")
)
_PROX = """Numbers in the names are training images. Both kinds of proximal networks have as many weights: 2376 each, in
five stages; the equivariant ones have 32 channels, the ordinary ones 11, so a step of theirs takes less time and in
equal minutes they take more."""
ROBUST = "Chen et al. 2022"
ALONE = """Without a symmetry nothing holds what the lines do not show, so measurement consistency ends anywhere
there."""
FOLDED = """Rows of the best designs, and those named after them, whose commits are of before bc8643f (2026-11-22)
have the network as it was then: negative features did not reach its last layer, and long gradients were not
shortened."""
OF_ONE_IMAGE = """The paper's figures ("Robust equivariant imaging", CVPR 2022) are those of single images that it
shows."""

BESIDE = {
    "ct100": Beside(
        psnr={
            DAGGER: 30.24,
            "measurement consistency": 31.01,
            "equivariant imaging": 36.94,
            "adversarial equivariant imaging": 36.96,
            "supervised": 38.17,
            "equivariant imaging supervised": 38.79,
        },
        note=f"""The paper's figures ("Equivariant Imaging", ICCV 2021, after 5000 epochs on a GPU) have the same unit
but count the duplicate (the last slice) twice: so counted, filtered back-projection has {{twice:.2f}} dB here. Of the
ten test slices eight come from a person who has a slice in the training set too.

{FOLDED}""",
    ),
    "ct100_30_views": Beside(note=FOLDED),
    "mr_as_ct": Beside(note=FOLDED),
    "urban100": Beside(
        psnr={
            DAGGER: 10.61,
            "measurement consistency": 10.61,
            "equivariant imaging": 29.91,
            "adversarial equivariant imaging": 28.03,
            "supervised": 31.28,
            "equivariant imaging supervised": 31.52,
        },
        note="""Other processes disturbed the runs of the best design and of its twin: both planned 30 minutes
and took 36.5 and 33.3; the second seed took 29.4. A run of that seed at an earlier commit was lost: its first network
died, and a step in which it came back for an instant spoilt the other one; negative features pass its last layer since,
and gradients far longer than usual are shortened: the rows of commits before bc8643f have the network as it was.

The paper's unit ("Equivariant Imaging", ICCV 2021) forgets the colour channels and is 4.77 dB lower; the paper's
figures above are in true PSNR. The masked input has {mean:.2f} dB here, {paper:.2f} in that unit (the paper: 5.84).
Least squares have no row of their own: for a mask they are `A_dagger y`. With the seen pixels put
back exactly, measurement consistency has nothing left to learn from.""",
    ),
    "low_dose_ct": Beside(
        title=ROBUST,
        psnr={
            DAGGER: 14.12,
            "equivariant imaging": 22.02,
            "robust equivariant imaging": 29.68,
            "supervised": 29.96,
        },
        note=f"""{OF_ONE_IMAGE} Its images have 256 x 256 pixels, which attenuate half as much each: the counts are
alike, the images have four times the unknowns.

The level that is learned (UNSURE): where the best f that knows the level errs in counts by r times the variance of the
noise, the best one that does not errs by r / (1 - r). Found on the test set: 0.287 with the level known, so 0.402 is
expected of the other, and 0.401 found. Its gain ended at 1.56 (expected 1.40), its sigma at 59 counts (expected 36;
`python experiments/unknown_level.py experiments/low_dose_ct`).""",
    ),
    "mri_sigma_0.1": Beside(
        title=ROBUST,
        psnr={
            "equivariant imaging": 24.56,
            "robust equivariant imaging": 28.09,
            "supervised": 29.49,
        },
        note=f"""{OF_ONE_IMAGE} Its images are of knees; here they are axial slices of heads, given a smooth phase, and
the person of the test slices is in no training slice. Settings were chosen on the last of five training volumes
(`experiments/mri_settings`).

{ALONE} Equivariant splitting with noise never asks f to clean the lines that it is shown.

The level that is learned (UNSURE): r = 0.214 with the level known, so 0.272 is expected of the other, and 0.266 found;
sigma ended at 0.114 (expected 0.113; `python experiments/unknown_level.py experiments/mri_sigma_0.1`).""",
    ),
    "mri_sigma_0.2": Beside(
        title=ROBUST,
        psnr={"supervised": 28.60},
        note=f"""{OF_ONE_IMAGE} Its images are of knees; equivariant imaging has 19.95 there, robust 27.16.""",
    ),
    "mri_sigma_0": Beside(note=ALONE),
    "poisson_inpainting": Beside(
        title=ROBUST,
        psnr={
            DAGGER: 9.47,
            "equivariant imaging": 14.38,
            "robust equivariant imaging": 22.52,
            "supervised": 23.48,
        },
        note=f"""{OF_ONE_IMAGE} Its unit forgets the colour channels and is 4.77 dB lower; its figures above are in true
PSNR. The masked and noisy input has {{mean:.2f}} dB here, {{paper:.2f}} in that unit (the paper: 4.70).""",
    ),
    "where_shifts_teach_low_pass": Beside(
        note="""Behind an ideal low pass shifts show nothing that one look does not (`nullsight diagnose`: nothing
gained); changes of scale do."""
    ),
    "where_shifts_teach_downsampling": Beside(
        note="""Means of 2 x 2 pixels are aliased: shifted by one pixel they show something else (`nullsight diagnose`:
partly)."""
    ),
    "equivariant_prox": Beside(note=_PROX, pairs=_BY_DESIGN + _BY_LEARNING),
    "equivariant_prox_turned_90": Beside(pairs=_BY_DESIGN + _BY_LEARNING),
    "equivariant_prox_turned_45": Beside(pairs=_BY_DESIGN + _BY_LEARNING),
    "equivariant_prox_mr": Beside(note="Trained on slices of chests.", pairs=_BY_DESIGN + _BY_LEARNING),
    **{
        f"polyphase_{task}": Beside(
            note="Both networks have as many weights; minutes are equal, a step of the polyphase network takes longer.",
            pairs=(("polyphase unet", "unet"),),
        )
        for task in ("deblurring", "super_resolution", "mri")
    },
}
CURVES = {
    "unseen_translations": Beside(
        note="""All training images show faces in one place, the test images new ones, shifted. Both networks of a
problem learned from the same pairs with ground truth.""",
        pairs=tuple((f"{problem}, convolutional", f"{problem}, dense") for problem in ("deconvolution", "inpainting")),
    ),
    "bias": Beside(
        note="""Trained at an input PSNR from 26 to 34 dB. Mohan et al. (ICLR 2020), with 17 layers of 64 channels and
other images: 15.2 dB with biases and 21.0 dB without at an input of 9.9 dB.""",
        pairs=(("without biases", "with biases"),),
    ),
    **{
        f"polyphase_{task}": Beside(
            note="Of the table above, by rings of pixels.", pairs=(("polyphase unet", "unet"), ("unet", "A_dagger y"))
        )
        for task in ("deblurring", "super_resolution", "mri")
    },
    "equivariant_prox_equivariance": Beside(
        note="""Of the runs above; system: |f(A T_g x) - T_g f(A x)| / |f(A x)|, reconstructor:
|f(y, A T_g) - T_g^-1 f(y, A)| / |f(y, A)|."""
    ),
}


def page(folder: Path) -> str:
    """Return the page made from all results files of a folder, and from the curves in the folder in it."""
    parts = [HEAD]
    for path in sorted(folder.glob("*.json")):
        parts.append(_section(best_first(read_result(path)), BESIDE.get(path.stem, Beside())))
    for path in sorted((folder / "curves").glob("*.json")):
        parts.append(_curves(read_curves(path), CURVES.get(path.stem, Beside())))
    return "\n".join(parts)


def _curves(result: Result, beside: Beside) -> str:
    table = curves_table(result, beside.pairs)
    lines = [f"## {result['task']}, by {result['x_label'].partition(',')[0]}\n\n{table}"]
    if beside.note:
        lines.append(beside.note + "\n")
    return "\n".join([*lines, _made(result)])


def best_first(result: Result) -> Result:
    """Return a result with its rows in the order of their PSNR; those without one come last."""

    def below(row: Result) -> float:
        return math.inf if row["psnr_mean"] is None else -row["psnr_mean"]

    return {**result, "methods": sorted(result["methods"], key=below)}


def _section(result: Result, beside: Beside) -> str:
    names = [row["name"] for row in result["methods"]]
    columns = {beside.title: beside.psnr} if beside.psnr else {}
    table = markdown_table(result, [name for name in AGAINST if name in names], columns)
    lines = [f"## {result['task']}\n\n{table}"]
    if beside.note:
        dagger = next(row for row in result["methods"] if row["name"] == DAGGER)["psnr"]
        mean, twice = sum(dagger) / len(dagger), (sum(dagger) + dagger[-1]) / (len(dagger) + 1)
        # 4.771 = 10 log10(3): the paper's square root of the number of pixels leaves out the three channels
        lines.append(beside.note.format(mean=mean, twice=twice, paper=mean - 4.771) + "\n")
    lines += [
        f"Mean over the test images of |PSNR({one}) - PSNR({other})|: {mean_distance(result, one, other):.2f} dB.\n"
        for one, other in (
            ("measurement consistency", DAGGER),
            ("measurement consistency least squares", "least squares"),
        )
        if {one, other} <= set(names)
    ]
    for one, other in beside.pairs:
        if {one, other} <= set(names):
            gain = paired_difference(result, one, other)
            sure = "" if gain.excludes_zero else "; not separated from zero"
            lines.append(f"{one} minus {other}: {gain.mean:+.2f} dB ({gain.low:+.2f} .. {gain.high:+.2f}){sure}.\n")
    lines.append(_made(result))
    others: dict[str, list[str]] = {}
    for row in result["methods"]:
        if "commit" in row:
            others.setdefault(f"{row['commit']} ({row['date']})", []).append(row["name"])
    if others:
        each = "; ".join(f"{', '.join(names)} at {commit}" for commit, names in sorted(others.items()))
        lines.append(f"These rows were made at other commits: {each}.\n")
    return "\n".join(lines)


def _made(result: Result) -> str:
    where = f"{result['machine']}, {result['threads']} thread(s) a run, {result['date']}, commit {result['commit']}"
    return f"Made by `{result['command']}` on {where}; data `{result['dataset']}`.\n"


def main() -> None:
    """Write the page."""
    write_atomically(ROOT / "docs" / "results.md", page(ROOT / "results"))


if __name__ == "__main__":
    main()
