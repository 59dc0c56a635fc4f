"""Write docs/results.md from results/*.json: ``python experiments/write_tables.py``."""

from pathlib import Path

from nullsight.evaluation import markdown_table, read_result
from nullsight.storage import write_atomically

ROOT = Path(__file__).parent.parent
HEAD = """# Results

Made from `results/*.json` by `python experiments/write_tables.py`. Peak of the PSNR: the maximum of each reference.
Exact duplicates among the test images count once. Brackets are 95 % t intervals over images, paired in the column of
differences. Weight of the equivariance and learning rate were chosen on ten training images set apart; some earlier
trials, which led to the closing data steps of the reconstructor, displayed test scores too. All rows of a table share
network, settings and planned minutes; where the machine was busy a row took somewhat longer than planned.
"""
NOTES = {
    "ct100": """The paper's unit is the same here. With the duplicate (the last slice) counted twice, as the paper has
it, filtered back-projection has {twice:.2f} dB (the paper: 30.24). The paper's table, after 5000 epochs on a GPU:
measurement consistency 31.01, equivariant imaging 36.94, supervised 38.17.""",
    "urban100": """The paper's unit forgets the colour channels and is 4.77 dB lower: the masked input has {mean:.2f} dB
here and {paper:.2f} there (the paper: 5.84; its equivariant imaging 25.14, supervised 26.51, in true PSNR 29.91 and
31.28). With the measured pixels put back exactly, measurement consistency has nothing left to learn from.""",
}


def main() -> None:
    """Write the page."""
    parts = [HEAD]
    for path in sorted((ROOT / "results").glob("*.json")):
        result = read_result(path)
        names = [row["name"] for row in result["methods"]]
        against = "measurement consistency" if "measurement consistency" in names else None
        dagger = next(row for row in result["methods"] if row["name"] == "A_dagger y")
        mean = sum(dagger["psnr"]) / len(dagger["psnr"])
        twice = (sum(dagger["psnr"]) + dagger["psnr"][-1]) / (len(dagger["psnr"]) + 1)
        # 4.771 = 10 log10(3): the paper's square root of the number of pixels leaves out the three channels
        note = NOTES.get(path.stem, "").format(mean=mean, twice=twice, paper=mean - 4.771)
        parts.append(f"## {result['task']}\n\n{markdown_table(result, against)}\n{note}\n")
        where = f"{result['machine']}, {result['threads']} thread(s) a run, {result['date']}, commit {result['commit']}"
        seeds = sorted({seed for row in result["methods"] for seed in row["seeds"]})
        parts.append(f"Made by `{result['command']}` on {where}, seed {', '.join(map(str, seeds))}.\n")
    write_atomically(ROOT / "docs" / "results.md", "\n".join(parts))


if __name__ == "__main__":
    main()
