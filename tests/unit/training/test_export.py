from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from augment_ops.modalities.image.networks import small_cnn, with_pixel_input
from augment_ops.training import loop
from augment_ops.training.export import exported, model_digest
from support.networks import like, untrained, write_program

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def model():
    net = untrained(SHAPE)
    net.train()
    with torch.no_grad():  # moves the statistics of batch normalisation away from where they start
        net(torch.randint(0, 256, (16, *SHAPE), dtype=torch.uint8))
    return net.train()


def test_the_program_gives_the_logits_of_the_model(model, tmp_path: Path):
    path = tmp_path / "model.pt2"
    write_program(model, SHAPE, path)
    program = torch.export.load(path).module()
    model.eval()
    for n in (1, 2, 17):
        images = torch.from_numpy(np.random.default_rng(n).integers(0, 256, (n, *SHAPE), dtype=np.uint8))
        with torch.no_grad():
            torch.testing.assert_close(program(images), model(images), rtol=1e-5, atol=1e-5)


class Branches(nn.Module):
    """Normalises after convolutions in every way that a fold could get wrong, and once in a way that it gets right."""

    def __init__(self) -> None:
        super().__init__()
        self.same, self.folds = nn.Conv2d(1, 8, 3, padding="same"), nn.BatchNorm2d(8)
        self.twice, self.after_twice = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
        self.shared, self.one, self.other = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.bare, self.no_shift = nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8, affine=False)
        self.last, self.of_the_batch = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8, track_running_stats=False)
        self.alone, self.linear = nn.BatchNorm2d(8), nn.Linear(8, 10)

    def forward(self, images):
        x = torch.relu(self.folds(self.same(images)))
        read_twice = self.twice(x)
        x = self.after_twice(read_twice) + read_twice
        x = self.one(self.shared(x)) * self.other(self.shared(x))
        x = self.alone(torch.relu(self.no_shift(self.bare(x))))
        return self.linear(self.of_the_batch(self.last(x)).mean((2, 3)))


@pytest.mark.parametrize(("factory", "left"), [(small_cnn, 0), (lambda *_: Branches(), 6)])
def test_batch_normalisation_is_folded_where_nothing_else_reads_the_convolution(tmp_path: Path, factory, left):
    net = untrained(SHAPE, factory=factory)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training; as they begin, they change next to nothing
            for tensor in filter(lambda t: t is not None and t.ndim, (*module.parameters(), *module.buffers())):
                nn.init.uniform_(tensor, 0.5, 2)
    images = torch.randint(0, 256, (17, *SHAPE), dtype=torch.uint8)
    write_program(net, SHAPE, tmp_path / "model.pt2")
    program = torch.export.load(tmp_path / "model.pt2")
    assert len(program.graph.find_nodes(op="call_function", target=torch.ops.aten.batch_norm.default)) == left
    with torch.no_grad():
        torch.testing.assert_close(program.module()(images), net(images), rtol=1e-4, atol=1e-4)


def test_a_program_needs_none_of_this_code(model, tmp_path: Path, monkeypatch):
    write_program(model, SHAPE, tmp_path / "model.pt2")
    for name in [name for name in sys.modules if name.partition(".")[0] == "augment_ops"]:
        monkeypatch.setitem(sys.modules, name, None)  # importing it raises
    program = torch.export.load(tmp_path / "model.pt2").module()
    assert program(torch.zeros((3, *SHAPE), dtype=torch.uint8)).shape == (3, 10)


def test_a_program_is_the_same_bytes_wherever_it_is_made(model):
    content = exported(model, like(SHAPE))
    assert content == exported(model, like(SHAPE))
    assert str(Path(loop.__file__).parent).encode() not in content


def test_the_digest_is_of_names_types_shapes_and_bytes():
    def digest(*parameters: tuple[str, torch.Tensor]) -> str:
        net = nn.Module()
        for name, tensor in parameters:
            net.register_buffer(name, tensor)
        return model_digest(net)

    one = torch.arange(6, dtype=torch.float32)
    base = digest(("a", one), ("b", one + 1))
    assert base == digest(("b", one + 1), ("a", one))  # order of registration
    assert base == digest(("a", torch.stack([one, one], 1)[:, 0]), ("b", one + 1))  # strides
    others = [
        digest(("a", one + 1), ("b", one)),
        digest(("a", one), ("c", one + 1)),
        digest(("a", one)),
        digest(("a", one.reshape(2, 3)), ("b", one + 1)),
        digest(("a", one.to(torch.float64)), ("b", one + 1)),
        digest(("a", one.view(torch.int32)), ("b", one + 1)),
    ]
    assert len({base, *others}) == 7


def test_the_digest_covers_buffers_and_not_the_mode(model):
    before = model_digest(model)
    model.eval()
    assert model_digest(model) == before
    other = with_pixel_input(small_cnn(SHAPE, 10))
    other.load_state_dict(model.state_dict())
    assert model_digest(other) == before
    other.net[1].running_mean += 1
    assert model_digest(other) != before
