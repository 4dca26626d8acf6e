from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from sqlalchemy import make_url

from augment_ops.errors import InputError
from augment_ops.settings import Settings


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    (tmp_path / "policies").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_everything_has_a_default_below_the_current_directory(project: Path):
    settings = Settings.from_environment({})
    assert settings.home == project / "var"
    assert settings.store == str(project / "var" / "store")
    assert settings.ledger == f"sqlite:///{project / 'var' / 'ledger.db'}"
    assert settings.mlflow_uri == f"sqlite:///{project / 'var' / 'mlflow' / 'mlflow.db'}"
    assert settings.policies == project / "policies"
    assert (settings.airflow_port, settings.mlflow_port, settings.actor) == (8080, 5000, "unknown")
    assert (settings.keys, settings.witnesses, settings.installations) == (project / "var" / "keys", (), ())
    assert not (project / "var").exists()  # reading settings makes nothing
    assert (
        Settings.from_environment(
            dict.fromkeys(
                ("AUGMENT_OPS_HOME", "AUGMENT_OPS_STORE", "AUGMENT_OPS_AIRFLOW_PORT", "MLFLOW_TRACKING_URI"), ""
            )
        )
        == settings
    )  # set but empty is not set


def test_every_variable_is_read(project: Path, tmp_path: Path):
    (tmp_path / "other").mkdir()
    settings = Settings.from_environment(
        {
            "AUGMENT_OPS_HOME": "state",
            "AUGMENT_OPS_STORE": "s3://bucket/prefix",
            "AUGMENT_OPS_LEDGER": "postgresql://h/d",
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:5001",
            "AUGMENT_OPS_POLICIES": "other",
            "AUGMENT_OPS_AIRFLOW_PORT": "1",
            "AUGMENT_OPS_MLFLOW_PORT": "65535",
            "AUGMENT_OPS_ACTOR": "ada",
            "AUGMENT_OPS_KEYS": "secrets",
            "AUGMENT_OPS_WITNESSES": "/mnt/elsewhere  s3://bucket/heads",
            "AUGMENT_OPS_INSTALLATIONS": "ed25519:a= ed25519:b=",
            "USER": "root",
        }
    )
    assert dataclasses.astuple(settings) == (
        tmp_path / "state",
        "s3://bucket/prefix",
        "postgresql://h/d",
        "http://127.0.0.1:5001",
        tmp_path / "other",
        1,
        65535,
        "ada",
        tmp_path / "secrets",
        ("/mnt/elsewhere", "s3://bucket/heads"),
        ("ed25519:a=", "ed25519:b="),
    )
    assert Settings.from_environment({"USER": "root"}).actor == "root"


def test_paths_do_not_depend_on_where_they_are_used_later(project: Path):
    """Airflow's tasks run in another folder than the command line."""
    settings = Settings.from_environment(
        {"AUGMENT_OPS_HOME": "a", "AUGMENT_OPS_STORE": "b/c", "AUGMENT_OPS_POLICIES": "policies"}
    )
    assert settings.store == str(project / "b" / "c")
    assert settings.home.is_absolute()
    assert settings.policies.is_absolute()


def test_outside_a_project_the_shipped_policies_are_used(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (Settings.from_environment({}).policies / "augment" / "digits-robust.yaml").is_file()


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "80.5", "٨٠x", " ", "9" * 5000])
def test_a_port_that_is_none_is_refused(project: Path, port):
    with pytest.raises(InputError, match=r"AUGMENT_OPS_MLFLOW_PORT: found .*; expected a port number") as caught:
        Settings.from_environment({"AUGMENT_OPS_MLFLOW_PORT": port})
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("home", ["a?b", "50%25 off", os.fsdecode(b"caf\xe9")])
def test_a_home_that_a_url_names_otherwise_is_refused(project: Path, home: str):
    with pytest.raises(InputError, match=r"AUGMENT_OPS_HOME: found .*; expected a folder without"):
        Settings.from_environment({"AUGMENT_OPS_HOME": home})


def test_blanks_accents_and_quotes_in_a_home_are_no_matter(project: Path):
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": "Möwe's und Nest & Söhne"})
    assert make_url(settings.ledger).database == str(settings.home / "ledger.db")
    assert make_url(settings.mlflow_uri).database == str(settings.home / "mlflow" / "mlflow.db")


@pytest.mark.parametrize("name", ["ml-deputy ", "ml-dерuty", "Ada Lovelace", "x" * 256, "schedule", "Gate"])
def test_an_actor_who_could_be_taken_for_another_is_refused(project: Path, name):
    with pytest.raises(InputError, match="AUGMENT_OPS_ACTOR") as caught:
        Settings.from_environment({"AUGMENT_OPS_ACTOR": name, "USER": "ada"})
    assert caught.value.faults[0].fix
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("user", ["", "Ada Lovelace", "адa", "schedule"])
def test_a_user_name_that_is_no_id_names_nobody(project: Path, user):
    assert Settings.from_environment({"USER": user}).actor == "unknown"


def test_all_faults_come_at_once(project: Path):
    with pytest.raises(InputError, match="4 faults") as caught:
        Settings.from_environment(
            {
                "AUGMENT_OPS_MLFLOW_PORT": "x",
                "AUGMENT_OPS_AIRFLOW_PORT": "y",
                "AUGMENT_OPS_POLICIES": "nowhere",
                "AUGMENT_OPS_WITNESSES": "/srv/here there",
            }
        )
    assert {fault.where for fault in caught.value.faults} == {
        "AUGMENT_OPS_MLFLOW_PORT",
        "AUGMENT_OPS_AIRFLOW_PORT",
        "AUGMENT_OPS_POLICIES",
        "AUGMENT_OPS_WITNESSES",
    }
