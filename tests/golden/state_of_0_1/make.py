"""Makes a state folder with the commands of the version at hand: two champions, an approved policy, a prediction log.

    python tests/golden/state_of_0_1/make.py /tmp/augment-ops-state

was run with AugmentOps 0.1.0, before its stages were made pure; state.tar.xz came of it, README.md says what lies
in it. The state of another version is another archive, in a folder beside this one: this one is never made again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SHIPPED = HERE.parents[2] / "policies"
RUN = ("run", "--dataset", "digits", "--max-samples", "800", "--suite", "small", "--gate", "small")
SUITE = """\
name: small
version: 1.0.0
description: Two corruptions, so that the state stays small.
split: test
max_samples: 200
max_suite_gib: 1.0
corruptions:
  rotation: {angle_deg: [6, 12, 18, 22, 26]}
  brightness_down: {shift_share: [0.08, 0.16, 0.24, 0.32, 0.40]}
"""
GATE = """\
name: small
version: 1.0.0
description: So mild that a model of 600 pictures passes, and every comparison is made.
suite: small
statistics: {confidence: 0.95, resamples: 1000}
invariance:
  corruptions: [rotation, brightness_down]
  severities: [1, 3, 5]
  warn_gap: 0.4
  block_gap: 0.5
  min_n: 50
  burden: safety
fitness: {max_destroyed: 0.05, max_class_destroyed: 0.2}
class_recall: {clean_floor: 0.2, stressed_floor: 0.1, min_n: 5, burden: harm}
champion: {clean_margin: 0.2, stressed_margin: 0.2, class_margin: 0.2, first_champion: allow}
control: {clean_margin: 0.2, class_margin: 0.2, min_gain: 0.0, no_effect: investigate}
"""
APPROVERS = """\
version: 1
roles:
  ml-lead:
    - {{id: ada, name: Ada, keys: ["{ada}"]}}
    - {{id: bob, name: Bob, keys: ["{bob}"]}}
  author:
    - {{id: pat, name: Pat, keys: ["{pat}"]}}
witnesses:
  airflow: []
"""


@dataclass(frozen=True)
class Place:
    """An installation: work/ is what a checkout and its state are, people/ holds the keys that lie outside of it."""

    root: Path

    @property
    def policies(self) -> Path:
        """Of this installation."""
        return self.root / "work" / "policies"

    def key(self, who: str) -> str:
        """File of a person's private key."""
        return str(self.root / "people" / f"{who}.pem")

    def call(self, actor: str, *words: str, signed: bool = False) -> Any:
        """What a command answers with --json."""
        clean = {name: value for name, value in os.environ.items() if not re.match("AUGMENT_OPS_|MLFLOW_|SSH_", name)}
        places = {"AUGMENT_OPS_HOME": self.root / "work" / "var", "AUGMENT_OPS_POLICIES": self.policies}
        environ = clean | {name: str(path) for name, path in places.items()} | {"AUGMENT_OPS_ACTOR": actor}
        program = str(Path(sys.executable).with_name("augment-ops"))
        command = [program, *words, "--json", *(["--key", self.key(actor)] if signed else [])]
        print(actor, *command[1:], file=sys.stderr, flush=True)
        done = subprocess.run(command, env=environ, cwd=self.root / "work", stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise SystemExit(f"exit code {done.returncode}: {done.stdout.decode()}")
        return json.loads(done.stdout)


def main(root: Path) -> None:
    """Make the state below `root`, which is not there yet, and pack it."""
    place = Place(root)
    write_policies(place)
    place.call("pat", "policy", "propose", "digits-robust", signed=True)
    place.call("olga", "governance", "init", signed=True)
    place.call("ada", "policy", "approve", "digits-robust", "--reason", "gallery and costs seen", signed=True)
    runs = [place.call("ada", *RUN, "--seed", seed, "--run-id", f"run-{seed}") for seed in ("7", "8")]
    gates = [place.call("ada", "gate", "--replay", run["run_id"]) for run in runs]
    traffic = ("traffic", "digits", "--per-window", "120")
    place.call("ada", *traffic, "--windows", "2", "--until", "2026-03-03")
    shift = ("--shift", "brightness_down:5", "--shift", "rotation:5")
    place.call("ada", *traffic, "--until", "2026-03-04", *shift, "--seed", "1")
    place.call("ada", "drift", "digits", "--rules", "small", "--until", "2026-03-03T02:00")  # the third day is left
    (root / "told.json").write_text(json.dumps({"runs": runs, "gates": gates}))
    with tarfile.open(HERE / "state.tar.xz", "w:xz", preset=9) as archive:
        archive.add(root, ".", filter=kept)


def write_policies(place: Place) -> None:
    """Rules of its own, so that those which are shipped can change; and everybody's keys."""
    (place.policies.parent).mkdir(mode=0o700, parents=True)
    for folder in ("limits", "quality"):
        shutil.copytree(SHIPPED / folder, place.policies / folder)
    for folder in ("augment", "drift", "gates", "stress"):
        (place.policies / folder).mkdir()
    for file in ("augment/digits-robust.yaml", "drift/default.yaml", "environments.yaml"):
        shutil.copy(SHIPPED / file, place.policies / file)
    (place.policies / "stress" / "small.yaml").write_text(SUITE)
    (place.policies / "gates" / "small.yaml").write_text(GATE)
    rules = (SHIPPED / "drift" / "default.yaml").read_text().replace("name: default", "name: small")
    rules = rules.replace("min_n: 200", "min_n: 60").replace("min_class_n: 20", "min_class_n: 5")
    (place.policies / "drift" / "small.yaml").write_text(rules)
    people = ("ada", "bob", "pat", "olga")  # two who approve, an author, and the owner of the rules
    made = {who: place.call(who, "policy", "keygen", "--out", place.key(who))["public"] for who in people}
    (place.policies / "approvers.yaml").write_text(APPROVERS.format(**made))


def kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """None for what is only looked at, and would be a third of the archive."""
    if {"pictures", "metrics"} & set(Path(member.name).parts) or member.name.endswith(".lock"):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main(Path(sys.argv[1]))
