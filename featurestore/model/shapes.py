"""What a profile tells of texts, of vectors and of time: counts that merge by addition."""

from __future__ import annotations

from dataclasses import dataclass, fields

from featurestore.model.sketches import Histogram, Moments

__all__ = ["MOST", "WIDTHS", "EmbeddingShape", "TextShape", "Volume"]

_NO_NORMS, _NO_NORM = Histogram(), Moments()


@dataclass(frozen=True, slots=True)
class TextShape:
    """How texts are written: counts of rows, of those that hold a text that is not empty.

    Attributes
    ----------
    looked
        Rows with a text (empty or not) that were looked at: all of them, or an even sample where most texts are
        different; the other counts are scaled to all rows with a text then.
    lower, upper, mixed
        All letters lower case; all upper case; both. A text without cased letters is in none of them.
    leading, trailing, padded
        Begins with white space; ends with it; either. A blank text does all of it.
    non_ascii
        Has a character beyond ASCII.
    replacement
        Has U+FFFD, which stands for what a decoder could not read.
    mojibake
        Has what UTF-8 read as Latin-1 looks like: `Ã` or `Â` before a character from U+0080 to U+00BF, or `â€`.
    numeric
        Reads as a decimal number.
    """

    looked: int = 0
    lower: int = 0
    upper: int = 0
    mixed: int = 0
    leading: int = 0
    trailing: int = 0
    padded: int = 0
    non_ascii: int = 0
    replacement: int = 0
    mojibake: int = 0
    numeric: int = 0

    def merged(self, other: TextShape) -> TextShape:
        """Return the counts of both sets of rows together."""
        return TextShape(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True, slots=True)
class EmbeddingShape:
    """What vectors look like, and which ones a few keys have: enough to see that another model made them.

    Attributes
    ----------
    dimension
        Numbers in each vector.
    count
        Vectors whose numbers are all finite: those told here.
    norms
        Histogram of their Euclidean lengths.
    norm
        Moments of their Euclidean lengths.
    centroid
        Their mean, `dimension` numbers; empty without any.
    vectors
        `(hash, vector)` for the rows with the least hashes of key and event time, ascending, at most `sample_size` of
        them: the same rows in every profile that holds them, so neighbours among them can be compared. Rounded to
        four significant digits.
    """

    dimension: int
    count: int = 0
    norms: Histogram = _NO_NORMS
    norm: Moments = _NO_NORM
    centroid: tuple[float, ...] = ()
    vectors: tuple[tuple[int, tuple[float, ...]], ...] = ()

    @staticmethod
    def sample_size(dimension: int) -> int:
        """Return how many vectors a profile keeps: 64, fewer where they are long, 16 at least."""
        return min(64, max(16, 8_192 // max(dimension, 1)))

    def merged(self, other: EmbeddingShape) -> EmbeddingShape:
        """Return the shape of both sets of rows together."""
        if self.dimension != other.dimension or not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        pairs = zip(self.centroid, other.centroid, strict=True)
        centroid = tuple((a * self.count + b * other.count) / count for a, b in pairs)
        vectors = sorted({**dict(self.vectors), **dict(other.vectors)}.items())[: self.sample_size(self.dimension)]
        norms, norm = self.norms.merged(other.norms), self.norm.merged(other.norm)
        return EmbeddingShape(self.dimension, count, norms, norm, centroid, tuple(vectors))


@dataclass(frozen=True, slots=True)
class Volume:
    """Rows per window of event time: gaps, drops and late arrivals show here.

    Attributes
    ----------
    width
        Of a window, microseconds: the least of `WIDTHS` with at most `MOST` windows in use. Windows begin at multiples
        of it since 1970-01-01 UTC.
    windows
        `(start, rows)`, ascending, start in microseconds; a window without rows is not listed.
    """

    width: int
    windows: tuple[tuple[int, int], ...] = ()

    def coarser(self, width: int) -> Volume:
        """Return the same rows in wider windows; `width` is one of `WIDTHS`."""
        if width <= self.width:
            return self
        found: dict[int, int] = {}
        for start, rows in self.windows:
            wider = start // width * width
            found[wider] = found.get(wider, 0) + rows
        return Volume(width, tuple(found.items()))

    def limited(self) -> Volume:
        """Return the volume in the least width with at most `MOST` windows."""
        volume = self
        for width in WIDTHS:
            if len(volume.windows) <= MOST:
                break
            volume = volume.coarser(width)
        return volume

    def merged(self, other: Volume) -> Volume:
        """Return the volume of both sets of rows together."""
        width = max(self.width, other.width)
        found = dict(self.coarser(width).windows)
        for start, rows in other.coarser(width).windows:
            found[start] = found.get(start, 0) + rows
        return Volume(width, tuple(sorted(found.items()))).limited()


_SECOND = 1_000_000
WIDTHS = tuple(_SECOND * seconds for seconds in (1, 60, 900, 3600, 86_400, 604_800, 2_419_200, 29_030_400))
"""Widths of a window of event time: second, minute, quarter, hour, day, week, 4 and 48 weeks; each divides the next."""

MOST = 512
"""Windows in use at most."""
