"""Whatever a recipe holds becomes a part or one sentence."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nullsight import groups, networks
from nullsight.assemble import Context, build
from nullsight.assemble.values import plain
from nullsight.catalogue import MAKERS, TABLES
from nullsight.groups.base import Family
from nullsight.losses.base import Loss
from nullsight.noise import Gaussian, Noise
from nullsight.physics.base import Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.types import InputError


@pytest.mark.parametrize(
    ("written", "kind", "words"),
    [
        ({"name": "inpaintin"}, Physics, "did you mean 'inpainting'"),
        ({"name": "inpainting", "image_shap": [1, 4, 4]}, Physics, "did you mean 'image_shape'"),
        ({"name": "inpainting", "image_shape": [1, 4, 4]}, Physics, "'mask'"),
        ({"name": "unet", "channels": "one"}, nn.Module, "channels"),
        ({"name": "unet", "channels": True}, nn.Module, "channels"),
        ({"name": "unet", "channels": "8"}, nn.Module, "channels"),
        ({"name": "unet", "channels": -1}, nn.Module, "channel"),
        ({"name": "gaussian", "sigma": [1]}, Noise, "sigma"),
        ({"name": "shifts", "shape": [4, "x"]}, Family, "shape"),
        ({"name": "equivariance"}, Loss, "'group'"),
        ({"name": "equivariance", "group": {"name": "unet"}}, Loss, "unknown name 'unet'"),
        ({"name": "equivariance", "group": {"name": 3}}, Loss, "name"),
        ({"name": "equivariance", "group": 3}, Loss, "group"),
        ({"name": "unet"}, Physics, "unknown name 'unet' in [part]: the valid ones are blur, "),
        ({"name": "measurement_consistency"}, nn.Module, "unknown name"),
        ({"name": "inpainting", "image_shape": [1], "mask": {"make": "bernouli_mask"}}, Physics, "'bernoulli_mask'"),
        ({}, Physics, "name"),
        ({"name": 4}, Physics, "name"),
    ],
)
def test_mistake_is_one_sentence(written: dict[str, Any], kind: type, words: str) -> None:
    with pytest.raises(InputError) as caught:
        build(written, kind, "[part]", Context())
    assert words in str(caught.value) and "\n" not in str(caught.value), str(caught.value)


NAMES = sorted({name for table in TABLES for name in table})


words = st.sampled_from([float("nan"), "x", "", "a:b", "..", *NAMES])


leaves = st.none() | st.booleans() | st.integers(-2, 9) | st.floats(-4, 4) | words


small = st.sampled_from([1, 2, 4, 8])


KEYS = """name channels width depth seed image_shape mask shape n group network sigma matrix angles factor kernel array
file
make copies error noise step keep networks none"""


keys = st.sampled_from(KEYS.split())


contents = st.recursive(
    leaves | st.lists(small, min_size=1, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=6,
)


SHARED = Context(
    group=groups.Shifts((4, 4)),
    noise=Gaussian(0.1),
    network=networks.UNet(1, width=2, depth=2, seed=0),
    image_shape=(1, 4, 4),
    seed=0,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*NAMES, *(f"nullsight.physics:{name}" for name in MAKERS)]),
    st.dictionaries(keys, contents, max_size=4),
    st.sampled_from([Physics, Family, nn.Module, Loss, Noise, Reconstructor]),
)
def test_any_content_makes_a_part_or_one_sentence(name: str, content: dict[str, Any], kind: type) -> None:
    try:
        part = build({**content, "name": name}, kind, "[part]", SHARED)
    except InputError as error:
        assert str(error) and "\n" not in str(error)
        return
    assert isinstance(part, kind)


def test_plain_values_follow_their_hints() -> None:
    assert plain([1, 2], tuple[int, ...], "x") == (1, 2)
    assert plain(3, float, "x") == 3.0
    assert plain(float("inf"), float, "x") == float("inf")
    assert plain(50, int | list[float], "x") == 50
    with pytest.raises(InputError):
        plain(tomllib.loads("d = 2020-01-01")["d"], float, "x")
