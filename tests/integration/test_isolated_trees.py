"""Trees that nobody vouches for: asked in a process of their own, as programs are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from augment_ops.errors import StoreError
from augment_ops.runtime import isolated, load, skops_archive
from augment_ops.runtime.artifact import Artifact
from augment_ops.runtime.base import Model
from augment_ops.runtime.isolated import ask_in_isolated_process
from augment_ops.runtime.isolated_skops import TRUSTED
from augment_ops.training.base import Trained
from support.trees import rows, task, trees

ROWS = rows(40, 5)


@pytest.fixture(scope="module", params=[2, 3])
def trained(request: pytest.FixtureRequest) -> Trained:
    return trees(task(request.param))


def artifact_of(trained: Trained) -> Artifact:
    return Artifact(trained.artifact, trained.digest, "model.skops", trained.format)


@pytest.fixture(scope="module")
def model(trained: Trained) -> Iterator[Model]:
    with load(artifact_of(trained)) as opened:
        yield opened


def test_scores_are_logarithms_of_the_probabilities(model: Model, trained: Trained) -> None:
    here = skops.io.loads(trained.artifact, trusted=TRUSTED)
    scores, embeddings = model.observe(ROWS)
    assert scores.dtype == np.float32 and scores.shape == (40, len(trained.classes))
    np.testing.assert_allclose(np.exp(scores), here.predict_proba(ROWS), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(scores, embeddings)  # there are none of its own
    np.testing.assert_array_equal(scores, model(ROWS))
    np.testing.assert_array_equal(model(ROWS[::-1]), scores[::-1])


def test_scores_stay_finite_where_it_is_sure(model: Model) -> None:
    assert np.isfinite(model(np.full((3, 4), 1e300))).all()
    assert np.isfinite(model(np.full((3, 4), np.nan))).all()


def test_it_is_confined_as_programs_are(model: Model, trained: Trained) -> None:
    scores, confinement = ask_in_isolated_process(artifact_of(trained), ROWS)
    assert confinement == model.confinement and "limits" in confinement
    np.testing.assert_array_equal(scores, model(ROWS))


def test_samples_that_do_not_fit_are_refused_and_the_next_answered(model: Model) -> None:
    expected = model(ROWS)
    for wrong in (ROWS[:, :3], ROWS[0], np.array([["a"] * 4]), ROWS[:, :, None, None, None, None, None]):
        with pytest.raises(StoreError, match="library of its format alone can load and ask"):
            model(wrong)
    np.testing.assert_array_equal(model(ROWS), expected)
    big_endian = ROWS.astype(">f8")
    np.testing.assert_array_equal(model(big_endian), expected)


def test_the_isolated_process_trusts_no_other_type_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the file having been switched off."""
    monkeypatch.setattr(skops_archive, "checked", lambda artifact: artifact.content)
    table, labels = np.zeros((40, 1)), np.arange(40) % 2
    for other in (RandomForestClassifier(2).fit(table, labels), {"a": 1}):
        with pytest.raises(StoreError, match=r"types that are not trusted: .*Tree|found ValueError: a dict"):
            load(Artifact(skops.io.dumps(other), "", "model.skops", "skops"))


def test_what_skops_does_not_trust_of_such_models_is_what_is_listed() -> None:
    """Nothing beyond need; with another version of either library, the list is looked at again."""
    found = set()
    for categorical in (None, [0]):
        model = HistGradientBoostingClassifier(max_iter=1, categorical_features=categorical)
        found |= set(skops.io.get_untrusted_types(data=skops.io.dumps(model.fit(np.zeros((40, 1)), np.arange(40) % 2))))
    assert found == set(TRUSTED)


def test_formats_wait_in_interpreters_of_their_own(model: Model) -> None:
    assert isolated._waiting["skops"].lives()
    assert (
        "pt2" not in isolated._waiting or isolated._waiting["pt2"].process.pid != isolated._waiting["skops"].process.pid
    )
