"""What goes between a service and its workers (`supervisor.py`, `worker.py`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from augment_ops.serving.augmentation import AdmittedNow, BreakerChanged
from augment_ops.serving.exposure import Exposure
from augment_ops.serving.rules import ServingRules
from augment_ops.serving.served import Served
from augment_ops.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Certificates, as paths of PEM files.

    Attributes:
        clients: of the authority that signs clients' certificates; empty where none is asked for.
    """

    certificate: str
    key: str
    clients: str = ""


@dataclass(frozen=True, kw_only=True)
class Begin:
    """The first message to a worker.

    Attributes:
        open_hosts: see `Service`.
        exposure: of the rollout that runs; None where none does.
        augmentation: what it may augment with, until another `AdmittedNow` is sent.
    """

    settings: Settings
    rules: ServingRules
    served: Served
    open_hosts: tuple[str, ...]
    tls: Tls | None
    exposure: Exposure | None = None
    augmentation: AdmittedNow = field(default_factory=AdmittedNow)


@dataclass(frozen=True)
class Serve:
    """Answer with another version from now on."""

    served: Served


@dataclass(frozen=True)
class Expose:
    """So far has the rollout come; None: there is none, and the champion answers alone from this moment on."""

    exposure: Exposure | None


@dataclass(frozen=True)
class Serves:
    """A worker answers with a version."""

    version: str


@dataclass(frozen=True)
class Refuses:
    """A worker does not answer with a version, and goes on with the one before; why, for a person.

    Attributes:
        version: empty where it is policies that it does not augment with.
    """

    version: str
    why: str


@dataclass(frozen=True)
class ChallengerFails:
    """A worker does not load the challenger of a rollout, or asks it no more; why, for a person."""

    rollout: str
    why: str


Order = Serve | Expose | AdmittedNow
Told = Serves | Refuses | ChallengerFails | BreakerChanged
