"""Contact sheets: several images in one."""

from collections.abc import Sequence

import cv2
import numpy as np

from icnet_ros.render.painter import UInt8, legend, text_strip

FRAMES = 6  # pictures of a contact sheet
GAP = 6  # pixels between them
BACKGROUND = (32, 32, 32)


def contact_sheet(
    pictures: Sequence[UInt8],
    names: Sequence[str],
    colours: Sequence[tuple[int, int, int]],
    caption: str = "",
    columns: int = 2,
    cell: int = 900,
) -> UInt8:
    """Pictures in `columns`, each at most `cell` pixels wide, above a legend and an ASCII caption; BGR uint8."""
    height, width = pictures[0].shape[:2]
    scale = min(1.0, cell / width)
    size = round(width * scale), round(height * scale)
    cells = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures]
    padded = [cv2.copyMakeBorder(one, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=BACKGROUND) for one in cells]
    while len(padded) % columns:
        padded.append(np.full_like(padded[0], BACKGROUND[0]))
    rows = [np.concatenate(padded[i : i + columns], axis=1) for i in range(0, len(padded), columns)]
    strips = [legend(names, colours, rows[0].shape[1])]
    if caption:
        strips.append(text_strip(caption, rows[0].shape[1]))
    sheet: UInt8 = np.concatenate([*rows, *strips], axis=0)
    return sheet
