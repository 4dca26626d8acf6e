"""The parameters of a run: each is declared here, and nowhere else.

The command line derives its options from it, Airflow its form, `augment_ops.pipeline.params` the check of what somebody
gave. It imports the standard library alone, so that a DAG file can read it, which Airflow parses every few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, get_args, get_type_hints

# Samples seen in one training when `epochs` is 0 (automatic): 8 epochs of 54,000 samples, 40 of 1,100.
_AUTO_SAMPLES = 432_000
_AUTO_EPOCHS = (8, 40)


@dataclass(frozen=True, kw_only=True)
class About:
    """What is said of a parameter where it is declared, for people and for what checks it.

    Attributes:
        title: what a form calls it.
        section: heading under which a form shows it.
        help: what it means, in sentences.
        displays: how a form shows some of the choices.
        folder: below policies/, whose files can be named.
        proposes: folder of the state folder whose entries a form proposes beside the default.
        minimum: smallest number.
        maximum: largest number.
        pattern: regular expression of the whole text.
        min_length: characters of the shortest text.
        max_length: characters of the longest text.
    """

    title: str
    section: str
    help: str
    displays: Mapping[str, str] | None = None
    folder: str = ""
    proposes: str = ""
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None


@dataclass(frozen=True, kw_only=True)
class Parameter(About):
    """One parameter of a run, as it is declared.

    Attributes:
        annotation: its type, a Literal where there are choices.
        default: what counts where nobody says anything.
    """

    name: str
    annotation: Any
    default: str | int | float | bool

    @property
    def choices(self) -> tuple[str, ...]:
        """The only values there are; empty where there are others."""
        return get_args(self.annotation)

    @property
    def may_be_empty(self) -> bool:
        """Whether the empty text is a value."""
        return isinstance(self.default, str) and not (self.choices or self.min_length)


DATA, TRAINING, DECISION = "Data and policy", "Training", "Decision"


@dataclass(frozen=True, kw_only=True)
class RunParams:
    """Parameters of one pipeline run; `augment_ops.pipeline.params.parse_params` checks and makes them."""

    dataset: Annotated[
        str,
        About(
            title="Data set",
            section=DATA,
            proposes="datasets",
            min_length=1,
            max_length=200,
            help="digits, or the path or URI of an image folder, tar, zip, IDX folder, .npz, or CSV/Parquet index.",
        ),
    ] = "digits"
    policy: Annotated[
        str,
        About(
            title="Policy",
            section=DATA,
            folder="augment",
            min_length=1,
            max_length=200,
            help="Name in policies/augment/; on the command line also the path of a policy file.",
        ),
    ] = "digits-robust"
    delivery: Annotated[
        Literal["online", "nearline", "offline"],
        About(
            title="Delivery mode",
            section=DATA,
            help="Augment while training; the same, kept in a cache for the next training; or write the augmented "
            "shards first. The samples are the same, byte for byte.",
        ),
    ] = "online"
    cache_gib: Annotated[
        float,
        About(
            title="Cache of nearline delivery in GiB",
            section=DATA,
            minimum=0,
            maximum=1e6,
            help="What nearline delivery may keep, in GiB; what was used longest ago is removed when it is full.",
        ),
    ] = 4.0
    dataset_name: Annotated[
        str,
        About(
            title="Name of the data set",
            section=DATA,
            pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$",
            max_length=100,
            help="In kebab-case, for the MLflow experiment and the registered model; empty takes it from the data set.",
        ),
    ] = ""
    image_size: Annotated[
        str,
        About(
            title="Image size",
            section=DATA,
            pattern=r"^([1-9][0-9]{0,3}x[1-9][0-9]{0,3})?$",
            help="Height x width in pixels, such as 64x64, to resize to when reading; empty keeps the images.",
        ),
    ] = ""
    channels: Annotated[
        Literal["auto", "1", "3", "as-is"],
        About(
            title="Grey and colour",
            section=DATA,
            help="1 reads everything as grey, 3 as colour; auto brings the rarer kind to the more frequent one, as-is "
            "leaves the rarer ones out.",
        ),
    ] = "auto"
    allow_outside: Annotated[
        bool,
        About(
            title="Files outside the data set",
            section=DATA,
            help="Links and index entries may lead outside the data set's folder. Only for data that you trust.",
        ),
    ] = False
    keep: Annotated[
        Literal["pixels", "encoded"],
        About(
            title="Kept as",
            section=DATA,
            help="Pixels, which nobody has to decode; or encoded: the files as they are, smaller for photos, which are "
            "decoded whenever they are read.",
        ),
    ] = "pixels"
    max_samples: Annotated[
        int, About(title="Samples at most", section=DATA, minimum=0, help="At most so many, taken evenly; 0 takes all.")
    ] = 0
    model: Annotated[
        str,
        About(
            title="Network",
            section=TRAINING,
            min_length=1,
            max_length=200,
            help="package.module:factory of a function (input_shape, classes) -> torch.nn.Module.",
        ),
    ] = "augment_ops.training.models:small_cnn"
    seed: Annotated[
        int, About(title="Seed", section=TRAINING, minimum=0, maximum=2**63 - 1, help="Decides every random choice.")
    ] = 7
    epochs: Annotated[
        int,
        About(
            title="Epochs",
            section=TRAINING,
            minimum=0,
            maximum=10_000,
            help="Passes over the training split; 0 chooses by the size of the data set.",
        ),
    ] = 0
    batch_size: Annotated[
        int,
        About(title="Batch size", section=TRAINING, minimum=2, maximum=65_536, help="Samples in one step of training."),
    ] = 64
    workers: Annotated[
        int,
        About(
            title="Loader workers",
            section=TRAINING,
            minimum=0,
            maximum=64,
            help="Threads (processes, for policies that are not compiled) that augment while training; 0 lets the "
            "trainer augment for itself.",
        ),
    ] = 1
    environment: Annotated[
        Literal["dev", "staging", "production"],
        About(
            title="Environment",
            section=DECISION,
            help="Where the model is meant for; production demands a person's approval.",
        ),
    ] = "dev"
    approval: Annotated[
        Literal["auto", "ml-lead"],
        About(
            title="Approval",
            section=DECISION,
            displays={"auto": "auto: the gate alone decides", "ml-lead": "ml-lead: a named person decides"},
            help="Who lets a model through that passed the gate: the gate alone, or a named person, who is asked. "
            "Whoever triggers the run cannot approve it.",
        ),
    ] = "auto"
    gate: Annotated[
        str,
        About(
            title="Gate",
            section=DECISION,
            folder="gates",
            min_length=1,
            max_length=200,
            help="Name in policies/gates/: the rules by which the candidate is judged.",
        ),
    ] = "default"
    suite: Annotated[
        str,
        About(
            title="Stress suite",
            section=DECISION,
            folder="stress",
            min_length=1,
            max_length=200,
            help="Name in policies/stress/: what the models have to withstand.",
        ),
    ] = "invariances"
    quality: Annotated[
        str,
        About(
            title="Data quality",
            section=DECISION,
            folder="quality",
            min_length=1,
            max_length=200,
            help="Name in policies/quality/: the thresholds of the data.",
        ),
    ] = "default"
    drift: Annotated[
        str,
        About(
            title="Drift",
            section=DECISION,
            folder="drift",
            min_length=1,
            max_length=200,
            help="Name in policies/drift/: the rules of the drift check.",
        ),
    ] = "default"
    production_window: Annotated[
        str,
        About(
            title="Production window",
            section=DECISION,
            help="URI of recent production images for the drift check; empty looks in the state folder.",
        ),
    ] = ""

    def epochs_for(self, n: int) -> int:
        """Epochs to train on `n` samples."""
        low, high = _AUTO_EPOCHS
        return self.epochs or min(high, max(low, round(_AUTO_SAMPLES / max(n, 1))))

    def resize_to(self) -> tuple[int, int] | None:
        """`image_size` as (H, W), or None."""
        if not self.image_size:
            return None
        height, _, width = self.image_size.partition("x")
        return int(height), int(width)

    def rule_files(self) -> tuple[str, ...]:
        """The rules below policies/ that a run names, beside those that bind all."""
        return (
            f"quality/{self.quality}.yaml",
            f"stress/{self.suite}.yaml",
            f"gates/{self.gate}.yaml",
            f"drift/{self.drift}.yaml",
        )


def parameters(declared: type[RunParams] = RunParams) -> tuple[Parameter, ...]:
    """The parameters in the order in which they are declared."""
    types, told = get_type_hints(declared), get_type_hints(declared, include_extras=True)
    return tuple(
        Parameter(name=name, annotation=types[name], default=default, **vars(get_args(told[name])[1]))
        for name, default in asdict(declared()).items()
    )
