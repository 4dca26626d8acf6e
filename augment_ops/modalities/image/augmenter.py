"""`Augmenter`: the one way from images and ids to augmented images, whatever engine is behind it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from operator import index
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import Ids, SampleIds
from augment_ops.engine.keys import Epoch, checked_epoch, keys_of
from augment_ops.errors import TransformError
from augment_ops.extras import require
from augment_ops.modalities.image.plan import Plan, compile_policy
from augment_ops.modalities.image.program import Program
from augment_ops.modalities.image.reference import LIBRARY
from augment_ops.modalities.image.targets import Annotated, Targets, Visibility, checked
from augment_ops.policy.spec import Policy

if TYPE_CHECKING:
    from torch import Tensor

    from augment_ops.modalities.image.fused.program import FusedProgram
    from augment_ops.modalities.image.tensors.form import Form
    from augment_ops.modalities.image.tensors.program import TensorProgram

P = TypeVar("P", np.uint8, np.float32)

# Part of the lineage: raise it whenever the same key may give other bytes. Where that is so only for policies with one
# transform, because it was not compiled before, its declaration says so (`since`).
REVISION = 3
_AXES = 4


class _Programs:
    """What runs a plan in one thread, made when it is needed."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @cached_property
    def compiled(self) -> Program:
        return Program(self._plan)

    @cached_property
    def tensors(self) -> TensorProgram:
        from augment_ops.modalities.image.tensors.program import TensorProgram  # imports torch

        return TensorProgram(self._plan)

    @cached_property
    def fused(self) -> FusedProgram:
        from augment_ops.modalities.image.fused.program import FusedProgram  # imports triton

        return FusedProgram(self._plan)

    def there(self, images: Tensor) -> FusedProgram | TensorProgram:
        """What works on images where they are: the kernel on a GPU, if it can run there all that a policy does."""
        fusible = images.device.type == "cuda" and not self._plan.uses_albumentations
        return self.fused if fusible and find_spec("triton") is not None else self.tensors


class Augmenter:
    """A policy and a seed, applied to batches: a pure function of (policy digest, seed, epoch, sample id).

    The same key gives the same bytes whatever the batch, its order, the thread or the process. Thread-safe; picklable.

    Args:
        policy: what to apply.
        seed: any integer; other seeds give independent results.
    """

    def __init__(self, policy: Policy, seed: int) -> None:
        self.policy = policy
        self.seed = index(seed)
        self.plan = compile_policy(policy)
        self._local = threading.local()

    @property
    def engine(self) -> str:
        """What computes: part of the lineage, because another engine may round differently."""
        compiled = f"compiled-{max(REVISION, self.plan.since)}"
        return f"{compiled}+{LIBRARY}" if self.plan.uses_albumentations else compiled

    @property
    def holds_the_interpreter(self) -> bool:
        """Whether a transform is not compiled: compiled loops leave the interpreter to other threads."""
        return self.plan.uses_albumentations

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(H', W', C) of what comes of images (H, W, C) when every transform applies."""
        return (*self.plan.output_size((shape[0], shape[1])), *shape[2:])

    def describe(self) -> list[str]:
        """The plan for people: a line a pass, the reason where one ends, and what a GPU does of it."""
        from augment_ops.modalities.image.fused.drawing import on_gpu  # what a GPU is told, which few ask

        lines = self.plan.describe()
        return [*lines, on_gpu(self.plan)] if self.plan.segments else lines

    def __call__(self, images: NDArray[P], ids: Ids | SampleIds, epoch: Epoch = 0) -> NDArray[P]:
        """Augment a batch.

        Args:
            images: uint8 (N, H, W, C), or float32 from 0 to 1; not modified. Levels that the policy names count in
                255ths either way. uint8 goes through compiled loops, float32 through torch, several times as slow.
            ids: N sample ids, integers or strings, distinct; 7 and "7" are the same id. `SampleIds` are hashed already.
            epoch: number of the epoch, or of the copy; or int64 (N,), that of each sample.

        Returns:
            (N, H', W', C), a new array of the same type; of another size where the policy crops, pads or resizes, and
            float32 of another range where it ends with Normalize.

        Raises:
            TransformError: wrong shape, dtype or range, ids that do not match or repeat, or an image that a transform
                refuses.
            TypeError: an epoch that is not an integer: 3.0 would be another key than 3.
        """
        ids = _checked(images, ids)
        epoch = checked_epoch(epoch, len(ids))
        if self.policy.is_identity:
            return images.copy()
        if images.dtype == np.float32:
            require("torch", "float32 images")
            import torch  # takes seconds, and uint8 images do without

            found: NDArray[P] = self._tensors(torch.from_numpy(np.ascontiguousarray(images)), ids, epoch).numpy()
            return found
        with _of(ids):
            return self._programs().compiled(np.ascontiguousarray(images), self._keys(ids, epoch), ids.names)

    def tensors(self, images: Tensor, ids: Ids | SampleIds, epoch: int = 0, *, form: Form | None = None) -> Tensor:
        """Augment a batch on the device where it is, from the same keys.

        uint8 images come out as a call makes them, but for a grey level in a few of a thousand values: devices round
        differently (docs/engine.md has the figures). On a GPU with triton a policy that is compiled as a whole is two
        launches, the first of which draws its parameters; else they are drawn on the CPU, where also runs what is not
        compiled.

        Args:
            images: a torch tensor, uint8 or float32 (N, H, W, C), on any device; not modified.
            ids, epoch: as for a call.
            form: in what numbers and layout they come out, ready for a net; None for those of `images`.

        Returns:
            (N, H', W', C), a new tensor on the same device, of the type that a call gives; or what `form` says.

        Raises:
            TransformError: also for a form of what the policy normalises itself.
        """
        epoch, ids = index(epoch), _checked(images, ids)
        if form is not None and self.policy.normalises:
            raise TransformError(
                "form", "a policy that ends with Normalize", "one or the other", "leave out one of the two"
            )
        if self.policy.is_identity and form is None:
            return images.clone()
        return self._tensors(images, ids, epoch, form)

    def _tensors(self, images: Tensor, ids: SampleIds, epoch: Epoch, form: Form | None = None) -> Tensor:
        with _of(ids):
            return self._programs().there(images)(images, self._keys(ids, epoch), ids.names, form)

    def _keys(self, ids: SampleIds, epoch: Epoch) -> NDArray[np.uint64]:
        return keys_of(self.policy.digest, self.seed, epoch, ids)

    def ragged(self, images: Sequence[NDArray[P]], ids: Ids | SampleIds, epoch: int = 0) -> list[NDArray[P]]:
        """Augment images of different sizes, those of one size together; the bytes are those of each image alone.

        Args:
            images: N arrays (H, W, C), each of a size of its own, all of one type.
            ids, epoch: as for a call.

        Returns:
            N arrays, in the order of `images`.
        """
        ids = ids if isinstance(ids, SampleIds) else SampleIds.of(ids)
        if len(ids) != len(images):
            raise TransformError("ids", f"{len(ids)} ids for {len(images)} images", "one id an image", "match them")
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for row, image in enumerate(images):
            by_shape.setdefault(image.shape, []).append(row)
        out = list(images)
        for rows in by_shape.values():
            alike = ids[np.array(rows)]
            with _of(alike):
                augmented = self(np.stack([images[r] for r in rows]), alike, epoch)
            for row, image in zip(rows, augmented, strict=True):
                out[row] = image
        return out

    def annotated(
        self,
        images: NDArray[Any] | Tensor,
        ids: Ids | SampleIds,
        targets: Targets,
        epoch: int = 0,
        *,
        min_visibility: float = 0.0,
        min_area: float = 0.0,
        min_width: float = 0.0,
        min_height: float = 0.0,
        clip: bool = False,
    ) -> Annotated:
        """Augment a batch together with its masks, boxes and keypoints.

        Args:
            images, ids, epoch: as for a call, or for `tensors`; the images come out the same.
            targets: what belongs to the images. Masks of tensors are tensors beside them, uint8 or bool, and are moved
                there; boxes and keypoints are arrays either way.
            min_visibility, min_area, min_width, min_height: which boxes are kept; see `Visibility`.
            clip: boxes that reach beyond their image are cut to it first, instead of being refused.

        Raises:
            TransformError: also for targets that do not match their images, and for policies with transforms that move
                pixels without being compiled.
        """
        epoch, ids = index(epoch), _checked(images, ids)
        visibility = Visibility(min_visibility, min_area, min_width, min_height)
        visibility.check()
        arrays = isinstance(images, np.ndarray)
        given = checked(targets if arrays else replace(targets, masks=None), images, ids.names, clip=clip)
        keys, programs = self._keys(ids, epoch), self._programs()
        with _of(ids):
            size = (images.shape[1], images.shape[2])
            moved, kept, inside = programs.compiled.annotate(given, size, keys, visibility)
            if not isinstance(images, np.ndarray):
                moved = replace(moved, masks=_masks_there(targets.masks, images, programs, keys))
                return Annotated(self.tensors(images, ids, epoch), moved, kept, inside)
        if targets.masks is not None and moved.masks is not None:
            masks = np.asarray(moved.masks).astype(np.asarray(targets.masks).dtype, copy=False)
            moved = replace(moved, masks=masks)
        return Annotated(self(images, ids, epoch), moved, kept, inside)

    def _programs(self) -> _Programs:
        # albumentations' objects carry state while they run: one set a thread.
        programs: _Programs | None = getattr(self._local, "programs", None)
        if programs is None:
            programs = self._local.programs = _Programs(self.plan)
        return programs

    def __getstate__(self) -> tuple[Policy, int]:
        return self.policy, self.seed

    def __setstate__(self, state: tuple[Policy, int]) -> None:
        self.__init__(*state)  # type: ignore[misc]


def _masks_there(masks: Any, images: Tensor, programs: _Programs, keys: NDArray[np.uint64]) -> Tensor | None:
    """Masks moved on the device of their images."""
    if masks is None:
        return None
    from augment_ops.modalities.image.tensors.masks import masks_of  # imports torch

    return programs.there(images).masks(masks_of(masks, images), keys)


@contextmanager
def _of(ids: SampleIds) -> Iterator[None]:
    """Errors name a sample: one alone, or the first of those whose size or channels are at fault alike."""
    try:
        yield
    except TransformError as error:
        fault = error.faults[0]
        if ", sample " in fault.where:
            raise
        others = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        where = f"{fault.where}, sample {ids.names[0]}{others}"
        raise TransformError(where, fault.found, fault.expected, fault.fix) from error


def _checked(images: NDArray[Any] | Tensor, ids: Ids | SampleIds) -> SampleIds:
    dtype = str(getattr(images, "dtype", "")).removeprefix("torch.")
    if dtype not in ("uint8", "float32") or images.ndim != _AXES:
        found = f"{dtype} {tuple(images.shape)}" if dtype else type(images).__name__
        raise TransformError(
            "images", found, "a uint8 or float32 array (N, H, W, C)", "convert the batch before augmenting it"
        )
    if 0 in images.shape:
        raise TransformError("images", f"shape {tuple(images.shape)}", "no empty axis", "drop empty batches and images")
    if len(ids) != len(images):
        raise TransformError("ids", f"{len(ids)} ids for {len(images)} images", "one id an image", "match them")
    ids = ids if isinstance(ids, SampleIds) else SampleIds.of(ids)
    if dtype == "float32" and not bool(((images >= 0) & (images <= 1)).all()):  # what is no number compares false
        wrong = ~((images >= 0) & (images <= 1))
        row = next(i for i in range(len(images)) if wrong[i].any())
        raise TransformError(
            f"images, sample {ids.names[row]}",
            f"{float(images[row][wrong[row]][0])}",
            "numbers from 0 to 1",
            "scale float images to 0 … 1 before augmenting them, and mend what is not a number",
        )
    return ids
