from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

from augment_ops import errors
from augment_ops.errors import AugmentOpsError, Fault, PolicyError, TransformError, nearest

CLASSES = sorted(
    (cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, AugmentOpsError)),
    key=lambda cls: cls.__name__,
)
FAULTS = [Fault(f"place {i}", f"found {i}", f"expected {i}", f"fix {i}") for i in range(25)]


def test_a_message_says_where_what_expected_and_how_to_mend():
    error = TransformError("images", "float32 (3, 4)", "uint8", "convert them")
    assert str(error) == "images: found float32 (3, 4); expected uint8.\n    Fix: convert them"
    assert error.faults == (Fault("images", "float32 (3, 4)", "uint8", "convert them"),)


def test_a_message_lists_every_fault_and_stays_readable():
    error = PolicyError.of("a.yaml", FAULTS[:2])
    assert str(error) == (
        "a.yaml: 2 faults\n"
        "  place 0: found found 0; expected expected 0.\n      Fix: fix 0\n"
        "  place 1: found found 1; expected expected 1.\n      Fix: fix 1"
    )
    assert str(PolicyError.of("a.yaml", FAULTS[:1])).startswith("a.yaml: 1 fault\n")
    many = PolicyError.of("a.yaml", FAULTS)
    assert "place 19" in str(many)
    assert "place 20" not in str(many)
    assert str(many).endswith("… and 5 more")
    assert len(many.faults) == 25
    assert type(many) is PolicyError


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("travel", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_every_error_survives_a_copy(cls, travel):
    for error in (cls("where", "found", "expected", "fix"), cls.of("file", FAULTS)):
        other = travel(error)
        assert type(other) is cls
        assert (str(other), other.faults, other.exit_code) == (str(error), error.faults, error.exit_code)


def _refuse() -> None:
    raise PolicyError.of("a.yaml", FAULTS[:2])


def test_an_error_crosses_processes():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        with pytest.raises(PolicyError, match=r"a\.yaml: 2 faults") as caught:
            pool.submit(_refuse).result(timeout=60)
        assert caught.value.faults == tuple(FAULTS[:2])


def test_exit_codes_are_those_of_the_command_line():
    codes = {cls.__name__: cls.exit_code for cls in CLASSES}
    assert codes == {
        "ActRefused": 1,
        "AlteredError": 3,
        "AugmentOpsError": 3,
        "CheckRefused": 1,
        "DataError": 2,
        "GovernanceError": 3,
        "InputError": 2,
        "NotInstalled": 2,
        "PolicyError": 2,
        "ServiceError": 3,
        "StoreError": 3,
        "TrackingError": 3,
        "TrainingError": 3,
        "TransformError": 2,
    }


def test_the_nearest_name():
    assert nearest("GausNoise", ["Blur", "GaussNoise", "ISONoise"]) == " Did you mean GaussNoise?"
    assert nearest("zzz", ["Blur", "GaussNoise"]) == ""
    assert nearest("a", []) == ""
