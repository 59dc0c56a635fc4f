"""Test-time helpers that a recipe names, put around the reconstructor of a run; the run itself stays as it was."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nullsight.assemble import Context, build
from nullsight.groups.base import Family
from nullsight.physics.base import Physics
from nullsight.reconstructors import Helper, Reconstructor
from nullsight.schema import Recipe, read_recipe
from nullsight.training import Run
from nullsight.types import InputError


@dataclass(frozen=True)
class Helpers:
    """The [[helper]] list of a recipe; the first one is nearest to the trained reconstructor.

    Attributes:
        recipe: as read; its [group] goes where a helper takes a group and names none.
        root: the folder that its file names are relative to.
    """

    recipe: Recipe
    root: Path

    @property
    def names(self) -> tuple[str, ...]:
        """What a results file calls them, in order."""
        return tuple(part.name for part in self.recipe.helper)

    def around(self, run: Run) -> Run:
        """Return the run with its reconstructor helped; InputError where :meth:`build` raises one."""
        return replace(run, reconstructor=self.build(run.reconstructor, run.physics).eval())

    def build(self, f: Reconstructor, physics: Physics) -> Reconstructor:
        """Return ``f`` with the helpers around it.

        Args:
            f: what is helped.
            physics: whose images they are.

        Raises:
            InputError: an unknown helper or argument, a value that does not fit, or a helper with an ``f`` of its own.
        """
        context = Context(root=self.root, image_shape=physics.image_shape)
        if self.recipe.group is not None:
            group = build(self.recipe.group.model_dump(), Family, "[group]", context)
            context = replace(context, group=group)
        for number, part in enumerate(self.recipe.helper, start=1):
            if "f" in part.arguments():
                raise InputError(
                    f"expected [[helper]] {number} to help the run, but it has a reconstructor f of its own: remove f"
                )
            f = build(part.model_dump(), Helper, f"[[helper]] {number}", replace(context, reconstructor=f))
        return f


def read_helpers(path: Path) -> Helpers:
    """Return the helpers of a recipe file; InputError where it has none."""
    recipe = read_recipe(path)
    if not recipe.helper:
        raise InputError(f"expected [[helper]] in {path}, but there is none: add one, such as group_average")
    return Helpers(recipe, path.parent)


def run_owners(rows: Mapping[Path, Recipe]) -> dict[Path, Path]:
    """Return for each row of a table the row whose run it uses.

    A row with helpers takes that of the row which is the same but for helpers and title, one without helpers if there
    is one; all other rows have their own.

    Args:
        rows: recipes by their files.
    """
    trained = {path: recipe.model_dump(exclude={"helper", "title"}) for path, recipe in rows.items()}
    plain_first = sorted(rows, key=lambda path: bool(rows[path].helper))
    return {
        path: next(other for other in plain_first if trained[other] == trained[path]) if recipe.helper else path
        for path, recipe in rows.items()
    }
