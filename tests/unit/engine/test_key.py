from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from augment_ops.engine.key import KeyedStream, SampleIds, generator, sample_key

FULL = 0xFFFFFFFFFFFFFFFF
# Random123 1.14 (Salmon et al. 2011), tests/kat_vectors, `philox4x64 10`: counter, key, output.
PHILOX_VECTORS = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
    ),
    (
        (FULL, FULL, FULL, FULL),
        (FULL, FULL),
        (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
    ),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x452821E638D01377, 0xBE5466CF34E90C6C),
        (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
    ),
]


def words(values: tuple[int, ...]) -> np.ndarray:
    return np.array(values, np.uint64)


def before(counter: tuple[int, ...]) -> np.ndarray:
    """The counter one less: NumPy counts up before it encrypts."""
    number = sum(word << (64 * i) for i, word in enumerate(counter)) - 1
    return words(tuple((number >> (64 * i)) & FULL for i in range(4)))


@pytest.mark.parametrize(("counter", "key", "output"), PHILOX_VECTORS)
def test_numpy_has_the_philox_of_the_paper(counter, key, output):
    bits = np.random.Philox(counter=before(counter), key=words(key))
    assert bits.random_raw(4).tolist() == list(output)


def test_a_seated_stream_is_philox_on_the_key_with_the_transform_in_word_two():
    key = sample_key("p", 7, 3, "a")
    for transform in (0, 1, 5, 2**40):
        stream = KeyedStream()
        stream.seat(key, transform)
        expected = np.random.Philox(counter=words((0, 0, transform, 0)), key=words(key)).random_raw(9)
        assert stream.numpy.bit_generator.random_raw(9).tolist() == expected.tolist()
        assert generator(key, transform).bit_generator.random_raw(9).tolist() == expected.tolist()


@pytest.mark.parametrize(
    "use",
    [
        lambda s: s.numpy.random(),
        lambda s: s.numpy.integers(0, 10, dtype=np.uint8),
        lambda s: s.numpy.random(dtype=np.float32),  # leaves half of a 64-bit word behind
        lambda s: s.numpy.integers(0, 2**20, dtype=np.int32),
        lambda s: s.numpy.standard_normal(3),
        lambda s: s.python.gauss(0, 1),  # makes two values and keeps one
        lambda s: s.python.random(),
        lambda s: s.python.shuffle([1, 2, 3]),
        lambda s: s.python.getrandbits(5),
    ],
)
def test_seating_forgets_whatever_was_drawn_before(use):
    key = sample_key("p", 7, 3, "a")

    def draws(stream: KeyedStream) -> list[float]:
        stream.seat(key, 2)
        return [
            stream.python.gauss(0, 1),
            float(stream.numpy.random(dtype=np.float32)),
            int(stream.numpy.integers(0, 2**30, dtype=np.int32)),
            stream.python.random(),
        ]

    used = KeyedStream()
    use(used)
    assert draws(used) == draws(KeyedStream())


def test_seeding_the_python_side_changes_nothing():
    stream = KeyedStream()
    stream.seat(sample_key("a"))
    expected = stream.python.random()
    stream.seat(sample_key("a"))
    stream.python.seed(5)
    assert stream.python.random() == expected


def test_python_draws_read_the_keyed_stream():
    stream = KeyedStream()
    stream.seat(sample_key("a"))
    own = [stream.python.random(), stream.python.randint(0, 10**9), stream.python.uniform(2, 3)]
    stream.seat(sample_key("b"))
    other = [stream.python.random(), stream.python.randint(0, 10**9), stream.python.uniform(2, 3)]
    assert all(a != b for a, b in zip(own, other, strict=True))
    assert 0 <= own[0] < 1
    assert 2 <= own[2] <= 3


@pytest.mark.parametrize("bits", [0, 1, 7, 8, 9, 31, 64, 65, 200])
def test_getrandbits_fills_exactly_so_many_bits(bits):
    stream = KeyedStream()
    seen = 0
    for i in range(200):
        stream.seat(sample_key(i))
        value = stream.python.getrandbits(bits)
        assert 0 <= value < 2**bits
        seen |= value
    assert seen == 2**bits - 1  # every bit was set at least once


def test_parts_are_told_apart():
    keys = [
        sample_key("ab", "c"),
        sample_key("a", "bc"),
        sample_key("abc"),
        sample_key("abc", ""),
        sample_key("", "abc"),
        sample_key("c", "ab"),
        sample_key("p", 1, 11, "x"),
        sample_key("p", 11, 1, "x"),
        sample_key("p", 1, 1, "1x"),
        sample_key("p", -1, 1, "1x"),
    ]
    assert len(set(keys)) == len(keys)
    assert sample_key("p", 7, 0, 7) == sample_key("p", "7", 0, "7")


def test_any_text_has_a_key():
    names = ["ß", "ss", "日本", "e\u0301", "\u00e9", "a\x00", "a", "", "\udcff.png", "x" * 10_000]
    assert len({sample_key(name) for name in names}) == len(names)


def test_neighbours_are_uniform_and_independent():
    """First draws of 4096 neighbouring ids, epochs and transforms; bounds are 4.5 standard errors or more."""
    n, stream = 4096, KeyedStream()

    def first_draws(seats: list[tuple[tuple[int, int], int]]) -> np.ndarray:
        values = np.empty(n)
        for i, (key, transform) in enumerate(seats):
            stream.seat(key, transform)
            values[i] = stream.numpy.random()
        return values

    ids = first_draws([(sample_key("p", 7, 0, i), 0) for i in range(n)])
    next_epoch = first_draws([(sample_key("p", 7, 1, i), 0) for i in range(n)])
    next_seed = first_draws([(sample_key("p", 8, 0, i), 0) for i in range(n)])
    next_transform = first_draws([(sample_key("p", 7, 0, i), 1) for i in range(n)])
    transforms = first_draws([(sample_key("p", 7, 0, "x"), t) for t in range(n)])
    epochs = first_draws([(sample_key("p", 7, e, "x"), 0) for e in range(n)])
    for values in (ids, next_epoch, next_seed, next_transform, transforms, epochs):
        counts = np.histogram(values, 64, (0, 1))[0]
        assert ((counts - n / 64) ** 2 / (n / 64)).sum() < 120  # chi-squared, 63 degrees of freedom: p < 2e-5 beyond
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 4.5 / np.sqrt(n)
    for other in (next_epoch, next_seed, next_transform):
        assert abs(np.corrcoef(ids, other)[0, 1]) < 4.5 / np.sqrt(n)


def test_the_bits_of_keys_are_balanced():
    n = 4096
    keys = np.array([sample_key("p", 7, 0, i) for i in range(n)], np.uint64)
    bits = np.unpackbits(keys.view(np.uint8), axis=1)
    assert (abs(bits.mean(0) - 0.5) < 4.5 * 0.5 / np.sqrt(n)).all()
    one_id_on = (bits[1:] ^ bits[:-1]).mean()  # half of all bits flip from one id to the next
    assert abs(one_id_on - 0.5) < 0.01


def test_a_key_does_not_depend_on_the_process():
    code = "from augment_ops.engine.key import sample_key as k; print(k('p', 7, 3, 'ß'))"
    for seed in ("0", "1"):
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        assert out.stdout.strip() == str(sample_key("p", 7, 3, "ß"))


def test_ids_that_can_be_read_once_name_the_same_samples() -> None:
    given = ["a", "b", "c"]
    assert (SampleIds.of(one for one in given).words == SampleIds.of(given).words).all()
