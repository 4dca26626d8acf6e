"""How much of a page its pictures may take: a report stays below 2 MB, whatever the samples are like."""

from __future__ import annotations


class Allowance:
    """Bytes for the pictures of one section; what does not fit is counted, so that the page can say so.

    Attributes:
        left: bytes.
        refused: how often something did not fit.
    """

    def __init__(self, size: int) -> None:
        self.left = size
        self.refused = 0

    def takes(self, *pieces: str) -> bool:
        """Whether there is room for all of these; if so it is theirs."""
        size = sum(len(piece.encode()) for piece in pieces)
        if size > self.left:
            self.refused += 1
            return False
        self.left -= size
        return True
