"""How much is read of what somebody else made: beyond these a file is refused with a clear error, not tried.

Each bound is far above what data sets have, and far below what stops a machine. What only one modality has is
bounded there, such as the size of a picture in `augment_ops.modalities.image.decode`.
"""

from __future__ import annotations

MIB = 1 << 20

# One file with a sample: the largest picture that is decoded takes 512 MiB uncompressed, in colours of 16 bits.
FILE_BYTES = 512 * MIB
# Text about samples (annotation, list of names): a box takes some 200 bytes, the largest public lists 20 MiB.
TEXT_BYTES = 32 * MIB
# An index: ImageNet's 1.3 million rows take 60 MiB as CSV; in memory it is five to ten times as much.
TABLE_BYTES = 256 * MIB
TABLE_COLUMNS = 1_000
TABLE_ROWS = 20_000_000
# What a compressed archive or array may unpack to: as much as it wants up to the first, then so many times its size.
# Pictures in an archive do not shrink (1:1), MNIST's arrays shrink 5:1, and a bomb 1000:1.
UNPACKED_BYTES = 1024 * MIB
UNPACKED_RATIO = 100
ARCHIVE_MEMBERS = 20_000_000  # 15 times ImageNet
ZIP_DIRECTORY_BYTES = 64 * MIB  # half a million names of 100 characters; it is held in memory, at ten times the size
# Headers that carry a long name or pax records; Python's tarfile takes each into memory. PATH_MAX is 4 KiB.
TAR_HEADER_BYTES = 1 * MIB


def unpacked_limit(packed: int) -> int:
    """Bytes that a compressed file of `packed` bytes may unpack to."""
    return max(UNPACKED_BYTES, UNPACKED_RATIO * packed)
