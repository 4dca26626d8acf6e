"""A network that begins with weights of a file, with layers that stay as they are, and with input as it is used to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from augment_ops.errors import InputError, nearest
from augment_ops.extras import require
from augment_ops.modalities.base import Modality
from augment_ops.training.offline import offline
from augment_ops.training.torch_settings import Network, Weights

if TYPE_CHECKING:
    from torch import Tensor, nn

    from augment_ops.modalities.base import Factory

_WHERE = "recipe: torch.network"
_MAX_BYTES = 4 << 30  # as of an artifact: a billion float32 weights
_PIECE = 8 << 20  # bytes
_SHOWN = 4  # names of tensors in an error


def prepared(factory: Factory, network: Network, of: Modality, say: Callable[[str], None]) -> Factory:
    """A factory of the same nets, made ready as the recipe says.

    Args:
        say: told, when a net is made, what of the weights it could not begin with.

    Raises:
        InputError: when a net is made: the file or what is in it is not what the recipe says, or fits another network;
            a pattern freezes nothing; the factory asked for the internet.
    """

    def build(input_shape: tuple[int, ...], classes: int) -> nn.Module:
        with offline("its factory"):
            net = factory(input_shape, classes)
        if network.weights is not None:
            _begin_with(net, read(network.weights), classes, say)
        freeze(net, network.frozen)
        return net

    if network.input_size is None and network.normalise is None:
        return build
    mean, std = ((), ()) if network.normalise is None else (network.normalise.mean, network.normalise.std)
    return of.with_input(build, network.input_size, mean, std)


def read(weights: Weights) -> dict[str, Tensor]:
    """The tensors of the file, by name.

    Raises:
        InputError: it is not there, is not the one that is meant, or no safetensors file.
        NotInstalled: there is no safetensors.
    """
    require("safetensors", "weights of a file")
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = b"".join(_pieces(weights.uri))
    _check_digest(weights, hashlib.sha256(content).hexdigest())
    try:
        return load(content)  # type: ignore[no-any-return]
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(
            f"{_WHERE}.weights",
            f"{weights.uri}: {str(error)[:120]}",
            "a safetensors file",
            "write it by safetensors.torch.save_file",
        ) from error


def check_there(weights: Weights) -> None:
    """See that the file is there and is the one that is meant; it is read once, a piece at a time.

    Raises:
        InputError: it is not.
    """
    digest = hashlib.sha256()
    for piece in _pieces(weights.uri):
        digest.update(piece)
    _check_digest(weights, digest.hexdigest())


def _check_digest(weights: Weights, found: str) -> None:
    if found != weights.sha256:
        raise InputError(
            f"{_WHERE}.weights",
            f"{weights.uri} with the sha256 {found}",
            weights.sha256,
            "get the file that is meant; where this one is, write its sha256 into the recipe",
        )


def _pieces(uri: str) -> Iterator[bytes]:
    import fsspec

    expected, fix = f"a file of at most {_MAX_BYTES >> 30} GiB", "correct uri, and look who may read it"
    left = _MAX_BYTES
    try:
        with fsspec.open(uri, "rb") as file:
            while left >= 0 and (piece := file.read(_PIECE)):
                left -= len(piece)
                yield piece
    except (OSError, ValueError, ImportError) as error:
        raise InputError(
            f"{_WHERE}.weights", f"{uri}: {type(error).__name__}: {str(error)[:120]}", expected, fix
        ) from error
    if left < 0:
        raise InputError(f"{_WHERE}.weights", f"{uri}: more than that", expected, fix)


def _begin_with(net: nn.Module, tensors: dict[str, Tensor], classes: int, say: Callable[[str], None]) -> None:
    """Put the tensors into the net, all but a head that is of other classes."""
    own = net.state_dict()
    head = _head(net, classes)
    given = dict(tensors)
    left_out = [name for name in head if name in given and given[name].shape != own[name].shape]
    for name in left_out:
        del given[name]
    # What batch normalisation counts is not learnt, and not all files have it.
    missing = [name for name in own if name not in given and name not in head and not name.endswith("_batches_tracked")]
    unexpected = [name for name in given if name not in own]
    other = [
        f"{name} {tuple(given[name].shape)} for {tuple(own[name].shape)}"
        for name in given
        if name in own and given[name].shape != own[name].shape
    ]
    faults = [("missing", missing), ("unexpected", unexpected), ("of another shape", other)]
    if any(names for _, names in faults):
        raise InputError(
            f"{_WHERE}.weights",
            "; ".join(f"{len(names)} {kind}: {_few(names)}" for kind, names in faults if names),
            "the tensors of this network, but for a head of other classes",
            "name the network that they are of (--model), or the file that is of this network",
        )
    net.load_state_dict({**own, **given})
    new = [name for name in head if name not in given]
    if new:
        say(f"the network begins with the weights of the file but for {', '.join(new)}, which the file has not or of "
            "another number of classes")  # fmt: skip


def _head(net: nn.Module, classes: int) -> tuple[str, ...]:
    """Names of the parameters of the last layer that gives a value a class: what another task has otherwise."""
    last = ""
    for name, module in net.named_modules():
        weight = module._parameters.get("weight")
        if weight is not None and weight.dim() > 1 and len(weight) == classes:
            last = name
    return tuple(name for name, _ in net.named_parameters() if last and name in (f"{last}.weight", f"{last}.bias"))


def freeze(net: nn.Module, patterns: Iterable[str]) -> None:
    """Have the parameters stay as they are whose names a pattern fits (`layer1.*`; `*`, `?`, `[…]` as of file names).

    Raises:
        InputError: a pattern fits none.
    """
    parameters = dict(net.named_parameters())
    for pattern in patterns:
        found = [name for name in parameters if fnmatchcase(name, pattern)]
        if not found:
            raise InputError(
                f"{_WHERE}.frozen",
                f"{pattern!r}, which fits no parameter",
                f"names such as {_few(list(parameters))}",
                f"correct the pattern.{nearest(pattern, list(parameters))}",
            )
        for name in found:
            parameters[name].requires_grad_(False)


def to_training(model: nn.Module) -> None:
    """Have the model train, but for normalisations that are frozen: their statistics stay as well."""
    model.train()
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if "running_mean" in module._buffers and own and not any(one.requires_grad for one in own):
            module.eval()


def _few(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
