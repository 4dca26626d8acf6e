"""Where images come from: one URI, one source, one stream of samples."""

from __future__ import annotations

from augment_ops.data.sources.locate import locate
from augment_ops.errors import DataError
from augment_ops.modalities.source import Source

DIGITS = "digits"
LICENCE_OF_DIGITS = "CC BY 4.0: UCI Machine Learning Repository, doi:10.24432/C50P49, as scikit-learn ships it"
CONTENT = "pixel_sha256"  # the index's column of what an image is …
MEASURES = ("height", "width", "channels")  # … and those of its shape
FORMS = "an image folder, a tar, IDX or npz files, an index, or the word digits"
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_INDEX = (".csv", ".parquet")


def open_source(uri: str, *, allow_outside: bool = False) -> Source:
    """Find out what `uri` is and open it; nothing is read yet but names.

    Args:
        uri: `digits`, or a path or fsspec URI (`s3://…` where s3fs is installed) of an image folder, a tar or zip of
            one, either of them with Pascal VOC's annotations, a folder of IDX files, an `.npz` file, or a `.csv` or
            `.parquet` index.
        allow_outside: whether links and index entries may lead outside the data set's folder, on this machine.

    Raises:
        DataError: nothing is there, or its form is not known.
    """
    # Each form's libraries are imported only where a data set needs them.
    if uri == DIGITS:
        from augment_ops.modalities.image.sources.digits import DigitsSource

        return DigitsSource()
    place = locate(uri, FORMS, allow_outside=allow_outside)
    if place.is_folder:
        from augment_ops.modalities.image.sources.folder import FolderSource
        from augment_ops.modalities.image.sources.idx import IdxSource, has_idx_files
        from augment_ops.modalities.image.sources.voc import VocSource, has_annotations

        if has_idx_files(place):
            return IdxSource(place)
        return VocSource(place) if has_annotations(place) else FolderSource(place)
    lowered = place.path.lower()
    if lowered.endswith(_ARCHIVES):
        from augment_ops.modalities.image.sources.folder import ArchiveSource
        from augment_ops.modalities.image.sources.voc import VocSource, has_annotations

        return VocSource(place) if has_annotations(place) else ArchiveSource(place)
    if lowered.endswith(".npz"):
        from augment_ops.modalities.image.sources.npz import NpzSource

        return NpzSource(place)
    if lowered.endswith(_INDEX):
        from augment_ops.modalities.image.sources.index import IndexSource

        return IndexSource(place)
    raise DataError(
        uri,
        "a file of an unknown format",
        f"an image folder, {', '.join((*_ARCHIVES, '.npz', *_INDEX))}, a folder of IDX files, or the word digits",
        "give one of these; loose images and their labels can be listed in a .csv index with columns path,label",
    )
