"""`GaussianCopula`: a sample becomes a draw from a model of its class.

Each column has the distribution that it has among the class's rows of the training split; of how columns go together
the model knows the correlations of their normal scores, each place in the order of the values put as a quantile of the
normal distribution. Categories are ordered by their codes, and are drawn as often as the class has them. What is
missing counts as the middle of its column.

Source: Patki, Wedge and Veeramachaneni 2016, "The Synthetic Data Vault", DSAA, doi 10.1109/DSAA.2016.49, section III,
here with empirical distributions. The correlations are shrunk towards none by as much as their own noise asks for:
Schäfer and Strimmer 2005, doi 10.2202/1544-6115.1175, target D and equation 8, with the large-sample variance
(1 - r²)² / (n - 1) of a correlation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.tabular.declaration import Chosen, taken
from augment_ops.modalities.tabular.kernels.scores import add_products, correlate, factorise
from augment_ops.modalities.tabular.schema import Rows
from augment_ops.modalities.tabular.training_table import TrainingTable
from augment_ops.modalities.tabular.transforms import normal

_LEAST_SHRUNK = 1e-6  # two columns that are the same would leave nothing to divide by


@dataclass(frozen=True, eq=False, kw_only=True)
class CopulaModel:
    """What is known of a class.

    Attributes:
        values: of each column, what the class's rows hold, sorted: float64 (at most n,).
        between: bool (F,), whether a draw may lie between two values: numbers that are measured.
        factor: float64 (F, F), Cholesky factor of the correlations.
    """

    values: tuple[NDArray[np.float64], ...]
    between: NDArray[np.bool_]
    factor: NDArray[np.float64]

    def rows(self, normals: NDArray[np.float64]) -> Rows:
        """Draws.

        Args:
            normals: float64 (n, F), independent; used up.

        Returns:
            float64 (n, F); NaN in a column of which the class has no value.
        """
        from scipy.special import ndtr

        correlate(self.factor, normals)
        uniform = ndtr(normals)
        columns = zip(self.values, self.between.tolist(), uniform.T, strict=True)
        return np.stack([_quantiles(values, u, between) for values, between, u in columns], axis=1)


def drawn(chosen: Chosen) -> Rows:
    """Draws of each sample's class; what the sample has no value for stays missing. A class of few rows stays as is."""
    out = chosen.rows.copy()
    for label, here, samples in chosen.by_class():
        if chosen.table.counts[label] >= chosen.values["min_rows"]:
            model = chosen.table.once(("copula", label), partial(copula_model, chosen.table, label))
            draws = model.rows(normal(samples.keys, chosen.index, out.shape[1]))
            out[here] = taken(samples.rows, draws, np.ones(draws.shape, np.bool_))
    return out


def copula_model(table: TrainingTable, label: int) -> CopulaModel:
    """The model of a class, of all its rows."""
    rows, schema = table.rows[table.members(label)], table.schema
    scores, values = np.zeros(rows.shape), []
    for column in range(len(schema)):
        known = np.flatnonzero(~np.isnan(rows[:, column]))
        known = known[np.argsort(rows[known, column], kind="stable")]
        values.append(rows[known, column])
        scores[known, column] = _scores(values[-1])
    products = np.zeros((len(schema), len(schema)))
    add_products(scores, products)
    return CopulaModel(
        values=tuple(values), between=schema.is_number & ~schema.is_whole, factor=_factor(products, len(rows))
    )


def _scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal scores of sorted values, float64 (n,): of one that occurs several times, that of the middle."""
    from scipy.special import ndtri

    first = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
    times = np.diff(np.append(first, len(values)))
    found: NDArray[np.float64] = np.repeat(ndtri((first + times / 2) / max(len(values), 1)), times)
    return found


def _factor(products: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Cholesky factor of the shrunken correlations: float64 (F, F).

    Args:
        products: float64 (F, F), the lower triangle: sums over the products of the scores of n rows.
    """
    deviation = np.sqrt(np.diag(products))
    deviation = np.where(deviation > 0, deviation, 1)  # one value, or none: it goes with nothing
    below = np.tril(products / np.outer(deviation, deviation), -1)
    squares = below[np.tril_indices(len(below), -1)] ** 2
    noise = ((1 - np.minimum(squares, 1)) ** 2).sum() / max(n - 1, 1)
    shrunk = min(1.0, max(_LEAST_SHRUNK, noise / squares.sum() if squares.sum() > 0 else 1.0))
    factor: NDArray[np.float64] = (1 - shrunk) * below + np.eye(len(below))
    factorise(factor)
    return factor


def _quantiles(values: NDArray[np.float64], u: NDArray[np.float64], between: bool) -> NDArray[np.float64]:
    """Of sorted values, float64 (n,): between two of them where that is allowed, else one of them, each as often."""
    count = len(values)
    if not count:
        return np.full(len(u), np.nan)
    if not between:
        return values[np.minimum((u * count).astype(np.int64), count - 1)]
    place = u * (count - 1)
    low = place.astype(np.int64)
    least, most = values[low], values[np.minimum(low + 1, count - 1)]
    found: NDArray[np.float64] = least + (place - low) * (most - least)
    return found
