"""Rendering of label maps as colour images and overlays."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]
FONT = cv2.FONT_HERSHEY_SIMPLEX
UNTRAINED = "UNTRAINED NETWORK"


class Painter:
    """Paints label maps in the colours of a class table; configured once, then called.

    colours: RGB of class 0, 1, ...; every other id (255, "unlabelled") is black.
    banner: text across every overlay, "" for none.
    """

    def __init__(self, colours: Sequence[tuple[int, int, int]], banner: str = "") -> None:
        self._table = np.zeros((256, 1, 3), np.uint8)
        self._table[: len(colours), 0] = np.array(colours, np.uint8)[:, ::-1]
        self.banner = banner

    @classmethod
    def for_network(cls, colours: Sequence[tuple[int, int, int]], *, trained: bool) -> "Painter":
        """A painter whose overlays have a warning banner if the network is untrained."""
        return cls(colours, "" if trained else UNTRAINED)

    def colour(self, labels: UInt8) -> UInt8:
        """Label map uint8 (H, W) -> BGR uint8 (H, W, 3)."""
        painted: UInt8 = cv2.applyColorMap(np.ascontiguousarray(labels), self._table)
        return painted

    def overlay(self, bgr: UInt8, labels: UInt8, alpha: float = 0.5) -> UInt8:
        """`bgr` (H, W, 3) with the class colours over it; alpha 0 shows only the image, 1 only colours."""
        mixed: UInt8 = cv2.addWeighted(bgr, 1 - alpha, self.colour(labels), alpha, 0)
        if self.banner:
            draw_banner(mixed, self.banner)
        return mixed


def draw_banner(bgr: UInt8, text: str) -> None:
    """Write a line of text on a dark bar along the top of the picture, as wide as it allows."""
    height, width = bgr.shape[:2]
    (text_width, text_height), _ = cv2.getTextSize(text, FONT, 1.0, 1)
    scale = min(0.92 * width / text_width, max(0.4, height / 700))
    bar = min(height, round(text_height * scale * 2) + 4)
    bgr[:bar] = bgr[:bar] // 3
    origin = (round(0.02 * width), round(bar / 2 + text_height * scale / 2))
    cv2.putText(bgr, text, origin, FONT, scale, (255, 255, 255), max(1, round(scale * 1.5)), cv2.LINE_AA)


def legend(names: Sequence[str], colours: Sequence[tuple[int, int, int]], width: int) -> UInt8:
    """A strip of colour patches and class names, BGR uint8 (height, width, 3); drawn smaller where width is small."""
    cell = max(cv2.getTextSize(name, FONT, 0.5, 1)[0][0] for name in names) + 44
    drawn = max(width, 3 * cell)
    columns = drawn // cell
    rows = -(-len(names) // columns)
    strip = np.full((28 * rows, drawn, 3), 32, np.uint8)
    for index, (name, colour) in enumerate(zip(names, colours, strict=True)):
        x, y = index % columns * cell + 8, index // columns * 28 + 6
        cv2.rectangle(strip, (x, y), (x + 20, y + 16), colour[::-1], cv2.FILLED)
        cv2.putText(strip, name, (x + 27, y + 13), FONT, 0.5, (235, 235, 235), 1, cv2.LINE_AA)
    return _narrowed(strip, width)


def text_strip(text: str, width: int) -> UInt8:
    """A strip with a line of ASCII text, BGR uint8 (height, width, 3); drawn smaller where width is small."""
    drawn = max(width, cv2.getTextSize(text, FONT, 0.5, 1)[0][0] + 16)
    strip = np.full((28, drawn, 3), 32, np.uint8)
    cv2.putText(strip, text, (8, 19), FONT, 0.5, (235, 235, 235), 1, cv2.LINE_AA)
    return _narrowed(strip, width)


def _narrowed(strip: UInt8, width: int) -> UInt8:
    drawn = strip.shape[1]
    if drawn == width:
        return strip
    height = max(1, round(len(strip) * width / drawn))
    return np.asarray(cv2.resize(strip, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def side_by_side(images: Sequence[UInt8]) -> UInt8:
    """Pictures of one size side by side."""
    return np.concatenate(images, axis=1)
