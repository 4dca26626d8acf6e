"""Networks of torchvision and timm by their names, untrained: `torchvision:resnet18`, `timm:vit_tiny_patch16_224`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from augment_ops.errors import InputError, nearest
from augment_ops.extras import require
from augment_ops.training.vision import torchvision

if TYPE_CHECKING:
    from torch import Tensor, nn

_COLOURS = 3  # what both libraries' networks, and the weights that there are of them, take


def torchvision_network(name: str) -> Callable[[tuple[int, ...], int], nn.Module]:
    """The factory of one of torchvision's classifiers.

    Raises:
        NotInstalled: there is no torchvision.
        InputError: it has no such classifier.
    """
    models = torchvision("--model torchvision:…").models
    known = models.list_models(module=models)
    if name not in known:
        raise _unknown("torchvision", name, known)

    def factory(input_shape: tuple[int, ...], classes: int) -> nn.Module:
        own: dict[str, Any] = {}
        if name in ("googlenet", "inception_v3"):  # else they give three answers while they are trained
            own = {"aux_logits": False, "init_weights": True}
        if name.startswith("vit_"):
            own = {"image_size": _square("torchvision", name, input_shape)}
        net: nn.Module = models.get_model(name, weights=None, num_classes=classes, **own)
        return _of_colours(net, input_shape)

    return factory


def timm_network(name: str) -> Callable[[tuple[int, ...], int], nn.Module]:
    """The factory of one of timm's networks.

    Raises:
        NotInstalled: there is no timm.
        InputError: it has no such network, or the name is one of a hub's.
    """
    require("timm", "--model timm:…")
    if ":" in name or "/" in name:
        raise InputError(
            "--model",
            f"timm:{name}"[:200],
            "a network of timm's own: nothing is asked of a hub",
            "name the architecture, and give its weights as a file (recipe: torch.network.weights)",
        )
    torchvision("--model timm:…")  # which timm imports
    import timm

    if not timm.is_model(name):
        raise _unknown("timm", name, timm.list_models())

    def factory(input_shape: tuple[int, ...], classes: int) -> nn.Module:
        configuration = timm.get_pretrained_cfg(name)
        fixed = configuration is not None and configuration.fixed_input_size
        own = {"img_size": input_shape[:2]} if fixed else {}
        net: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes, **own)
        return _of_colours(net, input_shape)

    return factory


def _of_colours(net: nn.Module, input_shape: tuple[int, ...]) -> nn.Module:
    """The net, or one that gives it a grey image in each of its three channels; the parameters keep their names."""
    if input_shape[-1] == _COLOURS:
        return net
    if input_shape[-1] != 1:
        raise InputError(
            "--model",
            f"images of {input_shape[-1]} channels",
            "1 or 3: what networks of torchvision and timm take",
            "use a network of your own (--model package.module:factory)",
        )

    def in_colour(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (given[0].expand(-1, _COLOURS, -1, -1),)

    net.register_forward_pre_hook(in_colour)
    return net


def _square(library: str, name: str, input_shape: tuple[int, ...]) -> int:
    height, width = input_shape[:2]
    if height != width:
        raise InputError(
            "--model",
            f"{library}:{name} for {height}×{width}",
            "as many rows as columns",
            "set torch.network.input_size in the recipe, such as [224, 224]",
        )
    return height


def _unknown(library: str, name: str, known: list[str]) -> InputError:
    return InputError(
        "--model",
        f"{library}:{name}"[:200],
        f"one of {len(known)} networks that this {library} has",
        f"correct the name.{nearest(name, known)}",
    )
