"""Networks of texts: a linear one of hashed n-grams of characters, and what turns bytes into what networks take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

_SIZES = (3, 4, 5)  # bytes of an n-gram
_BUCKETS = 1 << 14  # of hashes: of a data set's 40,000 n-grams, few that are frequent share one
_HIDDEN = 64
_SPACE, _APOSTROPHE = 32, 39
_UPPER, _LOWER, _DIGITS = (65, 90), (97, 122), (48, 57)
_PRIME = 1_000_003  # a hash is a polynomial in it, cut to a bucket after each step: no product comes near 2**63


def ngrams(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """A linear net over hashed n-grams of 3 to 5 bytes, case and punctuation aside.

    A text counts by which n-grams it has, normalised to length one. All of it is in the exported program, so that a
    service needs no vocabulary and no code of ours.

    Args:
        input_shape: (L,) of the texts.
        classes: number of outputs.

    Returns:
        A module from int64 (N, L), bytes with zeros after the end, to float32 logits (N, classes).

    Source: Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification", arXiv:1607.01759.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    class Ngrams(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Linear(_BUCKETS, _HIDDEN, bias=False)
            self.drop = nn.Dropout(0.2)
            self.out = nn.Linear(_HIDDEN, classes)

        def forward(self, texts: Tensor) -> Tensor:
            small = torch.where(torch.logical_and(texts >= _UPPER[0], texts <= _UPPER[1]), texts + 32, texts)
            is_word = torch.logical_or(small > 127, small == _APOSTROPHE)
            for first, last in (_LOWER, _DIGITS):
                is_word = torch.logical_or(is_word, torch.logical_and(small >= first, small <= last))
            small = torch.where(is_word, small, torch.full_like(small, _SPACE))
            small = functional.pad(small, (1, max(_SIZES)), value=_SPACE)
            hashes = torch.cat([_hashed(small, size) for size in _SIZES], dim=1)
            # One more bucket takes what is no n-gram of words, and is then left out.
            seen = texts.new_zeros((texts.shape[0], _BUCKETS + 1), dtype=torch.float32)
            seen = seen.scatter(1, hashes, 1.0)[:, :_BUCKETS]
            seen = seen / seen.sum(dim=1, keepdim=True).clamp_min(1.0).sqrt()
            logits: Tensor = self.out(self.drop(self.hidden(seen)))
            return logits

    return Ngrams()


def _hashed(small: Tensor, size: int) -> Tensor:
    """The bucket of each n-gram of int64 (N, L): int64 (N, L - size + 1); one too many for what is mostly blank."""
    import torch

    length = small.shape[1] - size + 1
    hashed = torch.full_like(small[:, :length], size)
    blanks = torch.zeros_like(hashed)
    for place in range(size):
        byte = small[:, place : place + length]
        hashed = torch.bitwise_and(hashed * _PRIME + byte, _BUCKETS - 1)
        blanks = blanks + (byte == _SPACE)
    return torch.where(blanks * 2 <= size, hashed, _BUCKETS)


def with_byte_input(net: nn.Module) -> nn.Module:
    """A net that takes uint8 (N, L), around one of int64 (N, L): torch looks up and adds whole numbers of that type."""
    import torch
    from torch import nn

    class ByteInput(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, texts: Tensor) -> Tensor:
            logits: Tensor = self.net(texts.to(torch.int64))
            return logits

    return ByteInput()
