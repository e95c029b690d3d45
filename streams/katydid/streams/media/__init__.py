"""The recordings and frames behind the rows: found again and verified, and the best of them kept."""

from katydid.streams.media.finder import Found, Lost, MediaFinder
from katydid.streams.media.keeper import Keep, Kept, keep_media

__all__ = ["Found", "Keep", "Kept", "Lost", "MediaFinder", "keep_media"]
