from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import nn

from augment_ops.errors import InputError
from augment_ops.modalities import modality
from augment_ops.runtime import load
from augment_ops.runtime.artifact import Artifact
from augment_ops.training.export import exported
from augment_ops.training.loop import build
from augment_ops.training.pretrained import prepared, read, to_training
from augment_ops.training.torch_settings import Network, Standardise, TorchSettings, Weights

IMAGES, SHAPE = modality("image"), (12, 8, 3)


def net(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(input_shape[2], 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes)
    )


def written(folder: Path, tensors: dict[str, torch.Tensor]) -> Weights:
    path = folder / "net.safetensors"
    save_file(tensors, path)
    return Weights(uri=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def other(classes: int) -> dict[str, torch.Tensor]:
    """Weights that no seed gives."""
    return {
        name: torch.full_like(value, 3) if value.is_floating_point() else value
        for name, value in net(SHAPE, classes).state_dict().items()
    }


def made(network: Network, said: list[str] | None = None, factory: Any = net, shape: tuple[int, ...] = SHAPE) -> Any:
    said = [] if said is None else said
    return build(prepared(factory, network, IMAGES, said.append), IMAGES, np.zeros((0, *shape), np.uint8), 5, 7)


def test_a_network_begins_with_the_tensors_of_a_file_but_for_a_head_of_other_classes(tmp_path: Path) -> None:
    said: list[str] = []
    found = made(Network(weights=written(tmp_path, other(9))), said).net.state_dict()
    fresh = made(Network()).net.state_dict()
    assert all((found[name] == 3).all() for name in ("0.weight", "0.bias", "1.running_mean"))
    assert torch.equal(found["4.weight"], fresh["4.weight"])
    assert len(said) == 1 and "4.weight, 4.bias" in said[0]


def test_a_head_of_the_same_classes_is_taken_and_nothing_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    found = made(Network(weights=written(tmp_path, other(5))), said).net.state_dict()
    assert (found["4.weight"] == 3).all() and said == []


def test_weights_of_another_network_are_refused_with_what_is_missing_and_too_much(tmp_path: Path) -> None:
    tensors = other(5)
    tensors["stem.weight"] = tensors.pop("0.weight")
    tensors["1.bias"] = torch.zeros(7)
    with pytest.raises(InputError) as caught:
        made(Network(weights=written(tmp_path, tensors)))
    for said in ("1 missing: 0.weight", "1 unexpected: stem.weight", "1 of another shape: 1.bias (7,) for (4,)"):
        assert said in str(caught.value)


def test_another_file_than_the_one_that_is_meant_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    weights = written(tmp_path, other(5))
    Path(weights.uri).write_bytes(b"not even one")
    with pytest.raises(InputError, match=rf"with the sha256 [0-9a-f]{{64}}; expected {weights.sha256}"):
        read(weights)


@pytest.mark.parametrize(("content", "said"), [(b"\x80\x04pickle", "a safetensors file"), (None, "FileNotFoundError")])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read(Weights(uri=str(path), sha256=hashlib.sha256(content or b"").hexdigest()))


@pytest.mark.parametrize("uri", ["/w.pt", "/w.pth", "s3://b/w.bin", "/w.ckpt", "w.safetensors"])
def test_a_pickle_or_a_relative_path_is_refused_with_what_to_do(uri: str) -> None:
    expected = "absolute path" if uri.endswith("safetensors") else "save_file"
    with pytest.raises(ValidationError, match=expected):
        Weights(uri=uri, sha256="0" * 64)


def test_an_address_of_fsspec_is_read(tmp_path: Path) -> None:
    weights = written(tmp_path, other(5))
    assert read(weights.model_copy(update={"uri": f"file://{weights.uri}"})).keys() == other(5).keys()


def test_what_is_frozen_stays_with_its_statistics_and_the_rest_learns(training: Any) -> None:
    frozen = prepared(net, Network(frozen=("0.*", "1.*")), IMAGES, print)
    first = made(Network(), shape=(8, 8, 1)).net.state_dict()
    model, _, _ = training.run(training.online(None), frozen)
    # The same seed and one more class would be another net: the frozen layers come before the head, and are equal.
    after = model.net.state_dict()
    assert all(torch.equal(after[name], first[name]) for name in after if name[0] in "01")
    moving, _, _ = training.run(training.online(None), net)
    assert not torch.equal(moving.net.state_dict()["1.running_mean"], first["1.running_mean"])


def test_dropout_and_free_normalisation_train_beside_what_is_frozen() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2), nn.Dropout())
    model[0].requires_grad_(False)
    to_training(model)
    assert [part.training for part in model] == [False, True, True]


def test_a_pattern_that_freezes_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"'layer1\.\*', which fits no parameter"):
        made(Network(frozen=("layer1.*",)))


def test_nothing_left_to_learn_is_refused() -> None:
    with pytest.raises(InputError, match="no parameter that could be trained"):
        made(Network(frozen=("*",)))


def test_size_and_normalisation_lie_within_the_exported_program() -> None:
    seen = []

    def factory(input_shape: tuple[int, ...], classes: int) -> nn.Module:
        seen.append(input_shape)
        return net(input_shape, classes)

    normal = Standardise(mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.1))
    model = made(Network(input_size=(6, 20), normalise=normal), factory=factory)
    assert seen == [(6, 20, 3)]
    images = np.random.default_rng(0).integers(0, 256, (4, *SHAPE), np.uint8)
    content = exported(model, images)
    with load(Artifact(content, hashlib.sha256(content).hexdigest(), "it")) as answers:
        found = answers(images)
    small = nn.functional.interpolate(
        torch.from_numpy(images).permute(0, 3, 1, 2) / 255.0, (6, 20), mode="bilinear", antialias=True
    )
    mean, std = (torch.tensor(one).reshape(1, 3, 1, 1) for one in (normal.mean, normal.std))
    with torch.no_grad():
        expected = model.net.net.eval()((small - mean) / std)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("means", [2, 4])
def test_a_mean_for_each_channel_or_for_all(means: int) -> None:
    normal = Standardise(mean=(0.5,) * means, std=(1.0,) * means)
    with pytest.raises(InputError, match=f"{means} means; expected 3"):
        made(Network(normalise=normal))
    made(Network(normalise=Standardise(mean=(0.5,), std=(1.0,))))
    with pytest.raises(ValidationError, match="as many of mean as of std"):
        Standardise(mean=(0.5,), std=(1.0, 1.0))


def test_rows_of_a_table_have_no_size() -> None:
    with pytest.raises(InputError, match="rows of a table"):
        prepared(net, Network(input_size=(6, 6)), modality("tabular"), print)


@pytest.mark.parametrize("hides", [False, True])
def test_a_factory_that_asks_for_the_internet_is_refused_even_where_it_hides_that(hides: bool) -> None:
    def downloads(input_shape: tuple[int, ...], classes: int) -> nn.Module:
        try:
            torch.hub.load_state_dict_from_url("https://weights.invalid/net.pth")
        except Exception:
            if not hides:
                raise
        return net(input_shape, classes)

    with pytest.raises(InputError, match=r"its factory asked the network for weights\.invalid"):
        made(Network(), factory=downloads)


def test_settings_of_a_recipe_take_them_all() -> None:
    given = {"network": {"frozen": ["conv1.*"], "input_size": [32, 32], "normalise": {"mean": [0.5], "std": [0.5]}}}
    assert TorchSettings.model_validate(given).network.input_size == (32, 32)
