"""Sums over normal scores, in one order: those of a linear algebra library differ by processor and size of batch."""

from __future__ import annotations

from augment_ops.engine.kernels.compiled import entry
from augment_ops.engine.kernels.types import F64


@entry
def add_products(scores: F64, out: F64) -> None:
    """Sums of the products of every two columns of (n, F), added to the lower triangle of out (F, F)."""
    n, columns = scores.shape
    for row in range(n):
        for i in range(columns):
            for j in range(i + 1):
                out[i, j] += scores[row, i] * scores[row, j]


@entry
def factorise(matrix: F64) -> None:
    """The lower triangle of a positive definite matrix (F, F) becomes its Cholesky factor; the upper one, zeros."""
    columns = len(matrix)
    for j in range(columns):
        for i in range(j, columns):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = total**0.5 if i == j else total / matrix[j, j]
        for i in range(j):
            matrix[i, j] = 0.0


@entry
def correlate(factor: F64, normals: F64) -> None:
    """Independent normal numbers (n, F), in place, become ones of the covariance factor · factorᵀ."""
    n, columns = normals.shape
    for row in range(n):
        for i in range(columns - 1, -1, -1):  # those before it are still independent
            total = 0.0
            for j in range(i + 1):
                total += factor[i, j] * normals[row, j]
            normals[row, i] = total
