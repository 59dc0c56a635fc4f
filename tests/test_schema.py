"""Recipes: what is understood, and the one sentence about what is not."""

import string
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from nullsight.errors import InputError
from nullsight.schema import Recipe, apply_override, parse_recipe, read_recipe

GOOD = """
seed = 3
[physics]
name = "inpainting"
keep = 0.7
[[loss]]
name = "measurement_consistency"
[[loss]]
name = "equivariance"
weight = { start = 0, stop = 1, end = 0.5 }
[training]
minutes = 2
"""


def write(folder: Path, text: str, name: str = "recipe.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_good_recipe_is_read(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, GOOD))
    assert recipe.seed == 3 and recipe.training.minutes == 2
    assert recipe.physics is not None and recipe.physics.arguments() == {"keep": 0.7}
    assert [part.name for part in recipe.loss] == ["measurement_consistency", "equivariance"]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.minuts=1", ["minuts", "minutes", "did you mean"]),
        ("trainin.minutes=1", ["trainin", "training"]),
        ("loss.1.weight.stap=1", ["loss.1.weight"]),
        ("training.batch_size=0", ["training.batch_size", "0"]),
        ("training.minutes=soon", ["training.minutes", "soon"]),
        ("nonsense", ["nonsense", "training.minutes=5"]),
        ("loss.7.weight=1", ["'7'"]),
        ("seed.x=1", ["'x'"]),
        ("seed=-1", ["seed", "-1"]),
    ],
)
def test_mistake_is_one_sentence_that_names_it(tmp_path: Path, override: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        read_recipe(write(tmp_path, GOOD), [override])
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_override_reaches_sections_lists_and_parts(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    changed = read_recipe(
        path, ["physics.keep=0.5", "loss.0.weight=7", "training.optimiser={name='adamw'}", "title=x y"]
    )
    assert changed.physics is not None and changed.physics.arguments()["keep"] == 0.5
    assert (changed.loss[0].weight, changed.training.optimiser.name, changed.title) == (7.0, "adamw", "x y")


def test_one_budget_replaces_another(tmp_path: Path) -> None:
    changed = read_recipe(write(tmp_path, GOOD), ["training.steps=10"])
    assert (changed.training.steps, changed.training.minutes) == (10, None)
    with pytest.raises(InputError, match="one of minutes, epochs and steps"):
        read_recipe(write(tmp_path, GOOD + "epochs = 3\n"))


def test_base_recipe_gives_what_is_not_written(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "common.toml")
    other = (
        'base = "common.toml"\nloss = [{ name = "supervised" }]\n[training]\nbatch_size = 8\n[physics]\nname = "blur"\n'
    )
    recipe = read_recipe(write(tmp_path, other))
    assert (recipe.training.minutes, recipe.training.batch_size, recipe.seed) == (2, 8, 3)
    assert [part.name for part in recipe.loss] == ["supervised"]
    assert recipe.physics is not None and recipe.physics.arguments() == {}, "another part takes no arguments of the old"


def test_of_several_bases_the_later_ones_come_first(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "settings.toml")
    write(tmp_path, 'title = "other data"\n[training]\nbatch_size = 5\n', "data.toml")
    recipe = read_recipe(write(tmp_path, 'base = ["settings.toml", "data.toml"]\n[training]\nminutes = 9\n'))
    assert (recipe.title, recipe.training.batch_size, recipe.training.minutes, recipe.seed) == ("other data", 5, 9, 3)
    assert [part.name for part in recipe.loss] == [part.name for part in read_recipe(tmp_path / "settings.toml").loss]


def test_base_that_leads_back_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 'base = "b.toml"', "a.toml")
    write(tmp_path, 'base = "a.toml"', "b.toml")
    with pytest.raises(InputError, match="leads back"):
        read_recipe(tmp_path / "a.toml")


def test_missing_binary_and_broken_files(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "broken.toml").write_text("[physics\n")
    for name in ("missing.toml", "binary.toml", "broken.toml"):
        with pytest.raises(InputError) as caught:
            read_recipe(tmp_path / name)
        assert name in str(caught.value)
    with pytest.raises(InputError):
        read_recipe(tmp_path)


def test_an_override_of_a_section_that_is_no_section_is_one_sentence(tmp_path: Path) -> None:
    for name in ("training.steps=3", "training.threads=3"):
        with pytest.raises(InputError, match="expected a section before"):
            read_recipe(write(tmp_path, "training = 5"), [name])


words = st.text(string.ascii_lowercase + "_.[]=\"'{} \n#1", max_size=60)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=True) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*Recipe.model_fields, "x"]), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(words)
def test_any_text_is_read_or_refused_in_one_sentence(text: str) -> None:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    refused_or_recipe(content)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*Recipe.model_fields, "x"]), values, max_size=4))
def test_any_content_is_read_or_refused_in_one_sentence(content: dict[str, object]) -> None:
    refused_or_recipe(content)


@settings(max_examples=200, deadline=None)
@given(words)
def test_any_override_is_taken_or_refused(override: str) -> None:
    content = tomllib.loads(GOOD)
    try:
        apply_override(content, override)
    except InputError as error:
        assert str(error)


def refused_or_recipe(content: dict[str, object]) -> None:
    try:
        recipe = parse_recipe(dict(content), "recipe")
    except InputError as error:
        assert str(error) and "Traceback" not in str(error)
        return
    again = parse_recipe(tomllib.loads(tomli_w.dumps(recipe.model_dump(exclude_none=True))), "again")
    assert again.training == recipe.training
