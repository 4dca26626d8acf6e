"""The generator against its paper's known answers, and its three implementations against each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from augment_ops.engine import philox
from augment_ops.engine.key import KeyedStream, SampleIds, sample_key

ALL = 0xFFFFFFFFFFFFFFFF
# Random123's kat_vectors for philox4x64-10: counter, key, result.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B)),
    ((ALL,) * 4, (ALL, ALL), (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0)),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x452821E638D01377, 0xBE5466CF34E90C6C),
        (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
    ),
]
KEYS = philox.derive(sample_key("tests", 7, 3), SampleIds.of(range(4000)).words)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter, key, expected):
    found = philox.blocks(np.array(counter, np.uint64), np.array(key, np.uint64))
    assert tuple(int(word) for word in found) == expected


def test_numba_gives_what_numpy_gives():
    counter = np.zeros((len(KEYS), 3, 4), np.uint64)
    counter[..., 0], counter[..., 2], counter[..., 3] = [1, 2, 3], 5, philox.VALUES
    expected = philox.blocks(counter, KEYS[:, None]).reshape(len(KEYS), 12)
    assert (philox.words(KEYS, 5, philox.VALUES, 11) == expected[:, :11]).all()


def test_torch_gives_the_same_bits():
    keys = torch.from_numpy(KEYS.view(np.int64))
    for transform, purpose in ((0, philox.PARAMETERS), (3, philox.DECISIONS), (70_000, philox.VALUES)):
        words = philox.torch_words(keys, transform, purpose, 9).numpy().view(np.uint64)
        assert (words == philox.words(KEYS, transform, purpose, 9)).all()
        uniforms = philox.torch_uniforms(keys, transform, purpose, 9).numpy()
        assert (uniforms == philox.uniforms(KEYS, transform, purpose, 9)).all()


def test_the_streams_are_those_of_numpys_own_generator():
    """Transforms that go through albumentations read the same numbers."""
    stream = KeyedStream()
    for row in (0, 17):
        key = (int(KEYS[row, 0]), int(KEYS[row, 1]))
        stream.seat(key, 4)
        assert (stream.numpy.random(10) == philox.uniforms(KEYS[row : row + 1], 4, philox.PARAMETERS, 10)[0]).all()


def test_derived_keys_depend_on_every_part():
    ids = SampleIds.of(["a", "b"]).words
    keys = {
        philox.derive(sample_key(*parts), ids).tobytes()
        for parts in (("p", 7, 3), ("q", 7, 3), ("p", 8, 3), ("p", 7, 4))
    }
    assert len(keys) == 4
    assert (philox.derive(sample_key("p", 7, 3), ids[1:]) == philox.derive(sample_key("p", 7, 3), ids)[1:]).all()


@pytest.mark.parametrize("purpose", [philox.PARAMETERS, philox.DECISIONS, philox.VALUES])
def test_uniform_over_ids(purpose):
    """Seeded, so the outcome is fixed; the bound is that of a test at 1 in 10,000."""
    for transform in range(3):
        draws = philox.uniforms(KEYS, transform, purpose, 4)
        assert ((draws >= 0) & (draws < 1)).all()
        for column in draws.T:
            assert stats.kstest(column, "uniform").pvalue > 1e-4
            counts = np.histogram(column, 64, (0, 1))[0]
            assert stats.chisquare(counts).pvalue > 1e-4


def test_neighbours_are_not_correlated():
    """Neighbouring ids, epochs, transforms, purposes and draws: |r| of n independent pairs stays below 4 / √n."""
    bound = 4 / np.sqrt(len(KEYS) - 1)
    base = philox.uniforms(KEYS, 0, philox.PARAMETERS, 8)
    later = philox.derive(sample_key("tests", 7, 4), SampleIds.of(range(4000)).words)
    others = [
        base[:, 1],
        base[:, 4],
        philox.uniforms(KEYS, 1, philox.PARAMETERS, 1)[:, 0],
        philox.uniforms(KEYS, 0, philox.DECISIONS, 1)[:, 0],
        philox.uniforms(later, 0, philox.PARAMETERS, 1)[:, 0],
    ]
    for other in others:
        assert abs(np.corrcoef(base[:, 0], other)[0, 1]) < bound
    assert abs(np.corrcoef(base[:-1, 0], base[1:, 0])[0, 1]) < bound
    assert len(np.unique(KEYS, axis=0)) == len(KEYS)
