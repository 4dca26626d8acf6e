"""How a parameter of a run is declared: once, as an annotated field of a class, with what people and checks need of it.

It imports the standard library alone, so that a DAG file can read declarations, which Airflow parses every few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Literal, get_args, get_type_hints

# The sections of a form. Airflow's opens the one of this name, which is its own, and leaves the others folded: what
# everybody decides stands there (docs/adr/0030-a-form-that-answers-at-once.md).
MAIN = "Run Parameters"
DATA, TRAINING, CHECKS = "Data in detail", "Training", "Quality and drift"


@dataclass(frozen=True, kw_only=True)
class About:
    """What is said of a parameter where it is declared, for people and for what checks it.

    Attributes:
        title: what a form calls it.
        section: heading under which a form shows it.
        help: what it means, in sentences.
        displays: how a form shows some of the choices.
        one_of: the only values there are, where its type cannot say them.
        folder: below policies/, whose files can be named.
        proposes: folder of the state folder whose entries a form offers beside the default; other text can be given.
        minimum: smallest number.
        maximum: largest number.
        pattern: regular expression of the whole text.
        form: in words, for people; empty where `augment_ops.forms` has words for the pattern.
        min_length: characters of the shortest text.
        max_length: characters of the longest text.
        after: of a modality's own parameter, the one that it follows where all are listed.
        storage: of a modality's own parameter, whether it decides only as what samples are kept, and not what they are.
    """

    title: str
    section: str
    help: str
    displays: Mapping[str, str] | None = None
    one_of: tuple[str, ...] = ()
    folder: str = ""
    proposes: str = ""
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    form: str = ""
    min_length: int | None = None
    max_length: int | None = None
    after: str = ""
    storage: bool = False


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
    def declaration(self) -> Any:
        """The annotation of a field that declares it."""
        return Annotated[self.annotation, About(**{one.name: getattr(self, one.name) for one in fields(About)})]

    @property
    def choices(self) -> tuple[str, ...]:
        """The only values there are; empty where there are others."""
        return get_args(self.annotation)

    @property
    def may_be_empty(self) -> bool:
        """Whether the empty text is a value."""
        return isinstance(self.default, str) and not (self.choices or self.min_length)


def declared_in(declared: type[Any]) -> tuple[Parameter, ...]:
    """The parameters in the order in which they are declared.

    Args:
        declared: a dataclass whose fields have defaults and are annotated with their type and an `About`.
    """
    told = get_type_hints(declared, include_extras=True)
    found = []
    for name, default in asdict(declared()).items():
        annotation, about = get_args(told[name])
        kind = Literal[about.one_of] if about.one_of else annotation
        found.append(Parameter(name=name, annotation=kind, default=default, **vars(about)))
    return tuple(found)
