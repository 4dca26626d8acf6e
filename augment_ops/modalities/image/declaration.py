"""What is declared of a transform, in one place: everything that anybody asks about it follows from its declaration.

A module of `transforms/` has the declarations of its transforms as `DECLARED`; `transforms.declarations()` finds them.
Parameters, their bounds and defaults are albumentations' own, read from the installed library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pydantic import BaseModel

    from augment_ops.modalities.image.transforms.colour import Colour
    from augment_ops.modalities.image.transforms.convolution import Convolution
    from augment_ops.modalities.image.transforms.geometry import Geometry
    from augment_ops.modalities.image.transforms.holes import Holes
    from augment_ops.modalities.image.transforms.noise import Noise
    from augment_ops.modalities.image.transforms.normalise import Normalise

    Compiled: TypeAlias = Geometry | Colour | Noise | Holes | Convolution | Normalise

Values = Mapping[str, Any]  # parameters as `catalogue.resolved` gives them


@dataclass(frozen=True)
class Strength:
    """One parameter that an effect comes from.

    Attributes:
        effect: as `strength.EFFECTS` names it.
        measure: the parameter → the size of its strongest effect, in the effect's unit.
    """

    effect: str
    parameter: str
    measure: Callable[[Any], float]


@dataclass(frozen=True)
class Trains:
    """Corruptions that a transform trains on where `when` holds for its parameter.

    Attributes:
        parameter: None where the transform always does.
        when: says by the parameter's value whether it makes the change.
    """

    corruptions: tuple[str, ...]
    parameter: str | None = None
    when: Callable[[Any], bool] = bool


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """One transform.

    Attributes:
        name: albumentations' class, or one of our own.
        parameters: of one of our own, with bounds and defaults; None for albumentations' own.
        compile: values → what the engine runs, with the draw of its parameters from the key (`draws`, and what makes
            arguments of them); the operation that it names has loops for the CPU and tensors for a GPU. None here, or
            from it for values that are not compiled, leaves the transform to albumentations.
        since: the revision of the engine that compiles it first. A policy's lineage names the newest of its transforms,
            because the library gives other bytes for the same key.
        strengths: its parameters in the units of a domain's limits; none where no limit can bind it.
        trains: the corruptions that it trains on.
        trains_on_nothing: why it makes the change of no corruption that there is; said where `trains` is empty.
        without_effect: parameter that the library accepts and nobody reads → why; a policy may not set it.
        own_sizes: a parameter, and which of its values would give every image a size of its own; refused.
        required: values for what has no default, with which the contract tests try it.
        branches: other parameters with which it takes another way, for the contract tests to try as well.
        needs_colour: whether it refuses grey images.
        chance: whether its result depends on the key, tried with `required` alone.
        slow: whether one image takes a tenth of a second, so that tests take few.
        not_compared: of a compiled one, why no test holds its pixels against albumentations'.
        not_drawn: of a compiled one that draws, why no test holds its draws against albumentations'.
    """

    name: str
    parameters: type[BaseModel] | None = None
    compile: Callable[[Values], Compiled | None] | None = None
    since: int = 3
    strengths: tuple[Strength, ...] = ()
    trains: tuple[Trains, ...] = ()
    trains_on_nothing: str = ""
    without_effect: Mapping[str, str] = field(default_factory=dict)
    own_sizes: tuple[str, Callable[[Any], bool]] | None = None
    required: Values = field(default_factory=dict)
    branches: tuple[Values, ...] = ()
    needs_colour: bool = False
    chance: bool = True
    slow: bool = False
    not_compared: str = ""
    not_drawn: str = ""

    def __post_init__(self) -> None:
        if bool(self.trains) == bool(self.trains_on_nothing):
            raise ValueError(f"{self.name}: say what it trains on, or why on nothing")
