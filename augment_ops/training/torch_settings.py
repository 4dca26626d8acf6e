"""What a recipe says to the trainer of networks. The defaults are what it does by itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator, model_validator

_Share = Annotated[FiniteFloat, Field(ge=0, lt=1)]
_Rate = Annotated[FiniteFloat, Field(gt=0, le=100)]
_Side = Annotated[int, Field(ge=1, le=4096)]
_NO_SAFETENSORS = (
    "a .safetensors file: a pickle (.pt, .pth, .bin, .ckpt) runs code when it is read. Make one of it: "
    "safetensors.torch.save_file(torch.load(path, weights_only=True), 'weights.safetensors')"
)
_NO_MOMENTUM = "adamw has betas; momentum and nesterov are sgd's"
_COMPILED_ALONE = "compile or several processes: compiled code normalises the samples of its own process alone"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Optimizer(_Section):
    """What makes a step of a gradient.

    Attributes:
        learning_rate: at its highest; 3e-3 is for AdamW on small nets with batch normalisation.
        weight_decay: of every parameter, decoupled from the gradient for adamw (Loshchilov & Hutter 2019).
        momentum, nesterov: of sgd alone.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: _Rate = 3e-3
    weight_decay: Annotated[FiniteFloat, Field(ge=0, le=10)] = 1e-4
    momentum: _Share = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def _its_own(self) -> Optimizer:
        if self.name == "adamw" and (self.momentum or self.nesterov):
            raise ValueError(_NO_MOMENTUM)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class Schedule(_Section):
    """How the learning rate goes from step to step.

    Attributes:
        name: to zero along a cosine (Loshchilov & Hutter 2017), to zero along a line, or constant.
        warm_up_share: of all steps, those in which it rises along a line to its highest (Goyal et al. 2017).
    """

    name: Literal["cosine", "linear", "constant"] = "cosine"
    warm_up_share: _Share = 0.0


class EarlyStopping(_Section):
    """When it ends before its last epoch; the weights of the best epoch are what it leaves.

    Attributes:
        patience: epochs in a row after which it ends, in which the validation loss was not below the lowest by more
            than `min_delta`.
    """

    patience: Annotated[int, Field(ge=1, le=10_000)]
    min_delta: Annotated[FiniteFloat, Field(ge=0)] = 0.0


class Weights(_Section):
    """What the network begins with: a file of tensors and nothing else.

    Attributes:
        uri: of a safetensors file: an absolute path, or any address that fsspec knows.
        sha256: of the file, which is held against it before a byte is understood.
    """

    uri: Annotated[str, Field(min_length=1, max_length=2000)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @field_validator("uri")
    @classmethod
    def _tensors_alone(cls, uri: str) -> str:
        if not uri.endswith(".safetensors"):
            raise ValueError(_NO_SAFETENSORS)
        if "://" not in uri and not uri.startswith("/"):
            raise ValueError("an absolute path, or an address such as s3://…: candidate and control may run anywhere")
        return uri


class Standardise(_Section):
    """What samples are made of before the network sees them: (value - mean) / std, of values in 0 to 1.

    Attributes:
        mean: one for each channel, or one for all.
        std: the same.
    """

    mean: Annotated[tuple[FiniteFloat, ...], Field(min_length=1, max_length=64)]
    std: Annotated[tuple[Annotated[FiniteFloat, Field(gt=0)], ...], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _as_many(self) -> Standardise:
        if len(self.mean) != len(self.std):
            raise ValueError("as many of mean as of std")
        return self


class Network(_Section):
    """What is done to the network before it is trained, and to samples before it.

    Attributes:
        weights: what it begins with; null leaves what its factory made of the seed.
        frozen: patterns of names of parameters that stay as they are, such as `layer1.*`; so do the statistics of a
            normalisation that has no other ones.
        input_size: rows and columns that images are resized to within the exported program; null leaves them.
        normalise: within the exported program; null leaves values in 0 to 1.
    """

    weights: Weights | None = None
    frozen: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()
    input_size: tuple[_Side, _Side] | None = None
    normalise: Standardise | None = None


class TorchSettings(_Section):
    """The section `torch` of a recipe.

    Attributes:
        network: pretrained weights, frozen layers, input.
        sampling: of an epoch: `uniform` has every sample once, `balanced` every class that occurs equally often, in as
            many samples.
        label_smoothing: share of a label that all classes share (Szegedy et al. 2016), in training alone.
        clip_norm: highest 2-norm of all gradients together (Pascanu et al. 2013); null does not clip.
        accumulate: batches whose mean gradient makes one step.
        processes: of this machine that share each batch and train together, with a GPU each or on the processor. The
            sums, and so the weights, are other ones for another number, by rounding; dropout is drawn in each.
        average: decay of an exponential moving average of the weights, after n steps (1 + n) / (10 + n) at most; it is
            validated and exported in place of the last weights. null averages nothing.
        precision: of products and convolutions while training; bfloat16 is autocast, the weights stay float32.
        memory_format: of images in the network: channels_last is faster on GPUs with matrix units.
        compile: the network by torch.compile: its sums, and so the weights, are other ones. It needs a C++ compiler on
            the machine that trains.
        threads: of the processor, for each training. The sums, and so the weights, are other ones for another number.
            auto leaves it to the run, which has one for both.
        checkpoint_every: epochs; 0 keeps none, and a training that was killed begins anew.
    """

    network: Network = Network()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    sampling: Literal["uniform", "balanced"] = "uniform"
    label_smoothing: _Share = 0.0
    clip_norm: Annotated[FiniteFloat, Field(gt=0)] | None = None
    accumulate: Annotated[int, Field(ge=1, le=4096)] = 1
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    average: Annotated[FiniteFloat, Field(gt=0, lt=1)] | None = None
    early_stopping: EarlyStopping | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"
    compile: bool = False
    threads: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = 1
    checkpoint_every: Annotated[int, Field(ge=0, le=10_000)] = 1

    @model_validator(mode="after")
    def _one_of_two(self) -> TorchSettings:
        if self.compile and self.processes > 1:
            raise ValueError(_COMPILED_ALONE)
        return self
