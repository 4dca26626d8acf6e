"""MLflow's registry altered by hand: whoever uses a champion finds it; each environment has a champion of its own."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment_ops.cli.champion import registry_finding
from augment_ops.errors import AugmentOpsError, GovernanceError
from augment_ops.governance.audit import champions, ruling
from augment_ops.governance.ledger import Ledger
from augment_ops.lifecycle.champion import Move, champion, crown, environment_with_champion, restore, subjects_of
from augment_ops.lifecycle.registry_check import look, samples_of
from augment_ops.lifecycle.rollback import roll_back
from augment_ops.pipeline.recorders.telemetry import verify_registry
from augment_ops.runtime import runtime
from augment_ops.settings import Settings
from augment_ops.tracking import MlflowTracker
from augment_ops.tracking.values import alias_of
from augment_ops.workspace import Workspace
from support.networks import untrained, write_program

pytestmark = pytest.mark.filterwarnings("ignore:::mlflow")

SHAPE, CLASSES, MODEL = (8, 8, 1), ("left", "right"), "digits-classifier"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three networks."""
    folder = tmp_path_factory.mktemp("programs")
    for seed in (1, 2, 3):
        write_program(untrained(SHAPE, len(CLASSES), seed), SHAPE, folder / f"{seed}.pt2")
    return sorted(folder.iterdir())


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    for name in ("AUGMENT_OPS_LEDGER", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return Settings.from_environment()


class Registry:
    """The services of one home, and what somebody may do to MLflow without us."""

    def __init__(self, settings: Settings, programs: list[Path]) -> None:
        self.settings, self.programs = settings, programs
        self.workspace = Workspace(settings, "bob")
        self.tracker: MlflowTracker = self.workspace.tracker
        self.ledger = self.workspace.ledger
        self.client: Any = self.tracker._connection.client

    def register(self, number: int, digest: str = "") -> str:
        run = self.tracker.open_run("digits", f"run-{number}", "candidate")
        program = self.programs[number % len(self.programs)]
        images = np.zeros((2, *SHAPE), np.uint8)
        uri = self.tracker.log_model(run, program, digest or f"{number}" * 64, images, CLASSES)
        tags = {"augment_ops.snapshot_digest": f"{number}" * 64, "augment_ops.policy": "digits-robust"}
        return self.tracker.register_challenger("digits", f"run-{number}", run, uri, tags, "")

    def crown(self, version: str, after: str | None, environment: str = "production") -> None:
        said = subjects_of(self.tracker.version("digits", version))
        key = f"run-{version}:promote"
        move = Move(
            act="promote",
            dataset="digits",
            environment=environment,
            version=version,
            after=after,
            key=key,
            subjects=said,
            actor="ada",
            reason="judged",
        )
        crown(self.ledger, self.tracker, move)

    def champion(self, environment: str = "production") -> str | None:
        found = champion(self.ledger, self.tracker, "digits", environment)
        return None if found is None else found.version

    def file(self, version: str) -> Path:
        folder = self.client.get_model_version_download_uri(MODEL, version).removeprefix("file://")
        return Path(folder) / runtime("pt2").place

    def acts(self) -> list[str]:
        return [entry.act for entry in self.ledger.entries()]


@pytest.fixture
def registry(settings: Settings, programs: list[Path]) -> Registry:
    """Versions 1 and 2 were champions of production; 3 is registered."""
    made = Registry(settings, programs)
    for number in (1, 2, 3):
        made.register(number)
    made.crown("1", None)
    made.crown("2", "1")
    return made


def _move_alias(found: Registry, dice: random.Random) -> Callable[[], None]:
    found.client.set_registered_model_alias(MODEL, "champion", dice.choice(["1", "3"]))
    return lambda: found.client.set_registered_model_alias(MODEL, "champion", "2")


def _drop_alias(found: Registry, dice: random.Random) -> Callable[[], None]:
    found.client.delete_registered_model_alias(MODEL, "champion")
    return lambda: found.client.set_registered_model_alias(MODEL, "champion", "2")


def _change_tag(found: Registry, dice: random.Random) -> Callable[[], None]:
    names = ("model_digest", "artifact", "snapshot_digest", "pipeline_run", "policy", "policy_version")
    name = f"augment_ops.{dice.choice(names)}"
    before = found.client.get_model_version(MODEL, "2").tags.get(name)
    if before is not None and dice.random() < 0.3:
        found.client.delete_model_version_tag(MODEL, "2", name)
    else:
        found.client.set_model_version_tag(MODEL, "2", name, f"{dice.getrandbits(256):064x}")
    if before is None:
        return lambda: found.client.delete_model_version_tag(MODEL, "2", name)
    return lambda: found.client.set_model_version_tag(MODEL, "2", name, before)


def _replace_file(found: Registry, dice: random.Random) -> Callable[[], None]:
    path = found.file("2")
    before = path.read_bytes()
    changed = bytearray(before)
    way = dice.choice(["other", "bit", "gone", "cut"])
    if way == "other":
        path.write_bytes(found.programs[0].read_bytes())
    elif way == "bit":
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
        path.write_bytes(changed)
    elif way == "cut":
        path.write_bytes(before[: dice.randrange(len(before))])
    else:
        path.unlink()
    return lambda: path.write_bytes(before) and None


def _file_and_tags(found: Registry, dice: random.Random) -> Callable[[], None]:
    """What somebody does who has read this project's code: file, digest and alias fit each other."""
    path, other = found.file("2"), found.tracker.version("digits", "3")
    before, tags = path.read_bytes(), found.client.get_model_version(MODEL, "2").tags
    path.write_bytes(found.file("3").read_bytes())
    for name in ("model_digest", "artifact"):
        found.client.set_model_version_tag(MODEL, "2", f"augment_ops.{name}", other.tags[f"augment_ops.{name}"])

    def mend() -> None:
        path.write_bytes(before)
        for name in ("model_digest", "artifact"):
            found.client.set_model_version_tag(MODEL, "2", f"augment_ops.{name}", tags[f"augment_ops.{name}"])

    return mend


def _made_by_hand(found: Registry, dice: random.Random) -> Callable[[], None]:
    made = found.client.create_model_version(MODEL, "/etc", None, dict(found.tracker.version("digits", "2").tags))
    found.client.set_registered_model_alias(MODEL, "champion", made.version)
    return lambda: found.client.set_registered_model_alias(MODEL, "champion", "2")


def _alias_of_nobody(found: Registry, dice: random.Random) -> Callable[[], None]:
    alias = alias_of(dice.choice(["dev", "staging"]))
    found.client.set_registered_model_alias(MODEL, alias, dice.choice(["1", "2", "3"]))
    return lambda: found.client.delete_registered_model_alias(MODEL, alias)


TAMPERINGS = (_move_alias, _drop_alias, _change_tag, _replace_file, _file_and_tags, _made_by_hand, _alias_of_nobody)


@pytest.mark.parametrize("times", [3 * len(TAMPERINGS), pytest.param(120, marks=pytest.mark.slow)])
def test_every_tampering_is_found_and_what_is_mended_is_whole(registry: Registry, times: int) -> None:
    dice, before = random.Random(12), registry.acts()
    for number in range(times):
        tamper = TAMPERINGS[number % len(TAMPERINGS)]
        mend = tamper(registry, dice)
        found = look(registry.workspace)
        assert found.all_faults, f"{number}: {tamper.__name__}"
        environments = ("dev", "staging") if tamper is _alias_of_nobody else ("production",)
        refused = 0
        for environment in environments:
            try:
                registry.champion(environment)
            except GovernanceError as error:
                refused += 1
                assert "against the ledger" in str(error)
        assert refused == 1, f"{number}: {tamper.__name__}"
        mend()
        assert look(registry.workspace).all_faults == [], f"{number}: {tamper.__name__}"
        assert registry.champion() == "2"
    assert registry.acts() == before  # looking changes nothing


def test_a_deleted_version_and_a_deleted_model_are_named(registry: Registry) -> None:
    registry.client.delete_model_version(MODEL, "2")
    with pytest.raises(GovernanceError, match="no such version"):
        registry.champion()
    assert "no such version" in str(look(registry.workspace).all_faults)
    done = roll_back(registry.settings, "digits", reason="2 is gone", actor="bob")  # the way out
    assert (done.champion, registry.champion()) == ("1", "1")
    assert "no such version" in "".join(done.altered)
    registry.client.delete_registered_model(MODEL)
    with pytest.raises(GovernanceError, match="no such alias or model"):
        registry.champion()
    assert look(registry.workspace).all_faults


def test_rollback_takes_only_what_was_promoted_and_still_is_that(registry: Registry) -> None:
    client = registry.client
    made = client.create_model_version(MODEL, "/etc", None, dict(registry.tracker.version("digits", "1").tags))
    for to in ("3", made.version):
        with pytest.raises(GovernanceError, match="no entry of the ledger that promoted it in production"):
            roll_back(registry.settings, "digits", to=to, reason="oops", actor="bob")
    client.set_model_version_tag(MODEL, "1", "augment_ops.model_digest", "3" * 64)
    with pytest.raises(GovernanceError, match="model_digest"):
        roll_back(registry.settings, "digits", reason="oops", actor="bob")
    client.set_model_version_tag(MODEL, "1", "augment_ops.model_digest", "1" * 64)
    registry.file("1").write_bytes(registry.file("3").read_bytes())
    with pytest.raises(GovernanceError, match="its file"):
        roll_back(registry.settings, "digits", reason="oops", actor="bob")
    assert registry.champion() == "2"
    assert registry.acts().count("refuse") == 3  # what a person tried is entered; once for each version


def test_restore_moves_the_alias_and_nothing_else(registry: Registry) -> None:
    registry.client.set_registered_model_alias(MODEL, "champion", "3")
    registry.client.set_registered_model_alias(MODEL, "champion-dev", "3")
    for environment in ("production", "dev"):
        restore(registry.ledger, registry.tracker, "digits", environment, "bob")
    assert look(registry.workspace).all_faults == []
    assert (registry.champion(), registry.champion("dev")) == ("2", None)
    assert registry.acts().count("restore") == 2
    said = restore(registry.ledger, registry.tracker, "digits", "production", "bob")
    assert "stands where the ledger says" in said
    assert registry.acts().count("restore") == 2
    registry.client.set_registered_model_alias(MODEL, "champion", "3")
    registry.file("2").write_bytes(b"another")
    with pytest.raises(GovernanceError, match="its file"):
        restore(registry.ledger, registry.tracker, "digits", "production", "bob")


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("act", ["promote", "rollback"])
def test_a_move_that_was_cut_off_anywhere_is_completed_by_whoever_comes_next(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    def move() -> None:
        if act == "promote":
            registry.crown("3", "2")
        else:
            roll_back(registry.settings, "digits", reason="wrong", actor="bob")

    kinds, real = ("entry", "alias", "settled"), (Ledger.append, MlflowTracker.promote)
    for kind in kinds:

        def append(ledger: Ledger, name: str, *rest: Any, kind: str = kind, **more: Any) -> Any:
            if kind == "settled" and name == "alias":
                raise Killed
            entry = real[0](ledger, name, *rest, **more)
            if kind == "entry" and name == act:
                raise Killed
            return entry

        def promote(tracker: MlflowTracker, *rest: Any, kind: str = kind, **more: Any) -> None:
            real[1](tracker, *rest, **more)
            if kind == "alias":
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "append", append)
            patch.setattr(MlflowTracker, "promote", promote)
            with suppress(Killed):
                move()
        assert look(registry.workspace).all_faults == []  # unfinished is not altered
        expected = "3" if act == "promote" else "1"
        assert registry.champion() == expected
        assert registry.tracker.named_champion("digits", "production") == expected
        move()
        assert registry.acts().count(act) == (3 if act == "promote" else 1)


def test_once_it_stood_where_it_should_an_alias_put_back_is_no_crash(registry: Registry) -> None:
    registry.client.set_registered_model_alias(MODEL, "champion", "1")  # where the last move came from
    with pytest.raises(GovernanceError, match="found version 1; expected version 2"):
        registry.champion()


def test_of_two_decisions_against_the_same_champion_one_counts(registry: Registry) -> None:
    other = registry.register(4)
    registry.crown("3", "2")
    with pytest.raises(GovernanceError, match="decide again"):
        registry.crown(other, "2")
    assert registry.champion() == "3"


def test_of_two_that_looked_at_the_same_moment_the_first_entered_counts(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, real = registry.register(4), Ledger.append

    def overtaken(ledger: Ledger, act: str, *rest: Any) -> Any:
        monkeypatch.setattr(Ledger, "append", real)
        registry.crown(other, "2")  # on another machine, after this one had looked
        return real(ledger, act, *rest)

    monkeypatch.setattr(Ledger, "append", overtaken)
    with pytest.raises(GovernanceError, match=f"found version {other}"):
        registry.crown("3", "2")
    assert registry.champion() == other
    assert look(registry.workspace).all_faults == []


def test_a_run_in_dev_never_displaces_what_a_person_approved(registry: Registry) -> None:
    registry.crown("3", None, "dev")
    assert (registry.champion(), registry.champion("dev"), registry.champion("staging")) == ("2", "3", None)
    policies, entries = registry.settings.policies, registry.ledger.entries()
    assert environment_with_champion(entries, "digits", policies) == "production"
    of_dev = [entry for entry in entries if entry.subjects.get("environment") == "dev"]
    assert environment_with_champion(of_dev, "digits", policies) == "dev"
    with pytest.raises(GovernanceError, match="promoted it in production"):
        roll_back(registry.settings, "digits", to="3", reason="dev's is better", actor="bob")
    with pytest.raises(AugmentOpsError, match="environment"):
        roll_back(registry.settings, "digits", reason="x", actor="bob", environment="prodution")
    again = registry.register(4)
    registry.crown(again, "3", "dev")
    roll_back(registry.settings, "digits", reason="dev only", actor="bob", environment="dev")
    assert (registry.champion(), registry.champion("dev")) == ("2", "3")


def former(registry: Registry, version: str, previous: str, environment: str, act: str = "promote") -> None:
    """A move as the version before this one made and entered it: one alias for all environments."""
    subjects = {"version": f"digits/{version}", "model": version * 64, "previous": previous}
    if environment:
        subjects |= {"environment": environment, "policy_state": "draft"}
    registry.client.set_registered_model_alias(MODEL, "champion", version)
    registry.ledger.append(act, "ada", subjects, "then", f"{act}-{registry.ledger.size()}:promote")


@pytest.fixture
def old(settings: Settings, programs: list[Path]) -> Registry:
    """Three versions registered by the version before this one."""
    made = Registry(settings, programs)
    for number in (1, 2, 3):
        made.register(number)
    return made


def test_a_champion_of_dev_from_former_times_is_taken_over(old: Registry) -> None:
    former(old, "1", "none", "dev")
    former(old, "2", "1", "dev")
    assert look(old.workspace).all_faults == []
    assert "takes it over" in "".join(look(old.workspace).notes)
    assert (old.champion("dev"), old.champion()) == ("2", None)
    aliases = old.client.get_registered_model(MODEL).aliases
    assert {alias: str(version) for alias, version in aliases.items()} == {"challenger": "3", "champion-dev": "2"}
    assert old.acts() == ["promote", "promote", "take-over"]
    assert old.ledger.entries()[-1].reason.endswith("champion-dev names version 2")
    assert roll_back(old.settings, "digits", reason="worse", actor="bob").champion == "1"
    assert old.champion("dev") == "1"
    assert look(old.workspace).all_faults == []


def test_what_a_person_approved_in_former_times_is_champion_of_production_again(old: Registry) -> None:
    former(old, "1", "none", "production")
    former(old, "2", "1", "staging")
    former(old, "3", "2", "dev")
    assert [old.champion(name) for name in ("production", "staging", "dev")] == ["1", "2", "3"]
    assert look(old.workspace).all_faults == []


def test_rollbacks_and_quarantines_of_former_times_hold(old: Registry) -> None:
    former(old, "1", "none", "production")
    former(old, "3", "1", "dev")
    former(old, "1", "3", "", "rollback")
    old.client.set_model_version_tag(MODEL, "3", "augment_ops.quarantined", "leaks labels")
    assert (old.champion(), old.champion("dev")) == ("1", None)
    old.client.delete_model_version_tag(MODEL, "3", "augment_ops.quarantined")
    with pytest.raises(GovernanceError, match="in quarantine since version 3: leaks labels"):
        old.crown("3", None, "dev")


def test_an_alias_moved_in_former_times_is_not_taken_over(old: Registry) -> None:
    former(old, "1", "none", "production")
    former(old, "2", "1", "production")
    old.client.set_registered_model_alias(MODEL, "champion", "3")
    with pytest.raises(GovernanceError, match="found version 3; expected version 2"):
        old.champion()
    assert "take-over" not in old.acts()
    restore(old.ledger, old.tracker, "digits", "production", "bob")
    assert old.champion() == "2"
    entries = old.ledger.entries()
    assert [reign.version for reign in champions(entries, "digits")] == ["1", "2"]
    assert ruling(entries, "digits")["production"].version == "2"


def test_verify_and_doctor_name_what_was_altered(registry: Registry) -> None:
    def outcome() -> str:
        (found,) = registry_finding(registry.settings)
        return f"{found.outcome} {found.found} {found.fix}"

    assert outcome().startswith("ok champions, as the ledger says: 1")
    registry.client.set_registered_model_alias(MODEL, "champion", "3")
    said = outcome()
    assert said.startswith("fail")
    assert "version 3; expected version 2 (promote by ada" in said
    assert "augment-ops champion restore digits --environment production" in said
    empty = replace(registry.settings, ledger=f"sqlite:///{registry.settings.home / 'none.db'}")
    assert registry_finding(empty) == []
    assert not (registry.settings.home / "none.db").exists()


def test_an_altered_registry_is_a_metric(registry: Registry) -> None:
    def value() -> list[float]:
        return [sample.value for sample in samples_of(registry.workspace, "digits")]

    def served() -> list[tuple[str, float]]:
        """What `augment-ops metrics serve` looks at every hour."""
        return [(sample.family.name, sample.value) for sample in verify_registry(registry.workspace)]

    assert (value(), served()) == ([0.0], [("augment_ops_registry_faults", 0.0)])
    registry.file("2").write_bytes(b"another")
    assert (value(), served()) == ([1.0], [("augment_ops_registry_faults", 1.0)])
    away = replace(registry.settings, mlflow_uri="http://127.0.0.1:9")
    empty = replace(registry.settings, ledger=f"sqlite:///{registry.settings.home / 'none.db'}")
    assert (verify_registry(Workspace(away, "bob")), verify_registry(Workspace(empty, "bob"))) == ([], [])


def test_versions_of_two_data_sets_do_not_meet(registry: Registry) -> None:
    assert champion(registry.ledger, registry.tracker, "letters", "production") is None
    with pytest.raises(AugmentOpsError, match="no champion"):
        roll_back(registry.settings, "letters", to="1", reason="x", actor="bob")
