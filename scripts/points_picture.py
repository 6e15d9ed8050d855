"""docs/images/points.jpg: the demo photograph, its classes, and the labelled points of ~/points from another viewpoint.

The photograph has no depth image. A box takes its place: a flat ground and two walls that meet at the vanishing point.
"""

from pathlib import Path

import cv2
import numpy as np

from icnet_ros.checkpoint.default import load_model
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.table import open_engine
from icnet_ros.render.painter import Painter, legend
from icnet_ros.share import share
from icnet_ros.wire.cdr import POINT_CLOUD, deserialise
from icnet_ros.wire.cloud import FIELDS, encode_cloud
from icnet_ros.wire.image import make_header

VANISHING = np.array([228.0, 372.0])  # pixels of the photograph
FOCAL = 560.0  # pixels, assumed
GROUND, LEFT, RIGHT, FAR = 1.6, -3.5, 6.0, 40.0  # metres from the camera
EYE, PITCH = np.array([0.5, -3.2, -0.5]), 0.42  # of the second viewpoint, metres and radians


def box_depth(height: int, width: int) -> np.ndarray:
    """Metres (H, W) of the box; NaN where it is farther than FAR."""
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    x, y = (columns - VANISHING[0]) / FOCAL, (rows - VANISHING[1]) / FOCAL
    walls = np.where(x < 0, LEFT, RIGHT) / np.where(x == 0, np.inf, x)
    depth = np.fmin(walls, GROUND / np.where(y > 0, y, np.nan))
    return np.where((depth > 0) & (depth < FAR), depth, np.nan).astype(np.float32)


def view(points: np.ndarray, colours: np.ndarray, height: int, width: int) -> np.ndarray:
    """BGR picture of points (n, 3) with colours (n, 3), seen from EYE; the nearest point of a pixel wins."""
    cosine, sine = np.cos(PITCH), np.sin(PITCH)
    turned = (points - EYE) @ np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]).T
    seen = turned[:, 2] > 1
    turned, colours = turned[seen], colours[seen]
    order = np.argsort(-turned[:, 2])
    turned, colours = turned[order], colours[order]
    picture = np.full((height, width, 3), 32, np.uint8)
    u, v = (FOCAL * turned[:, k] / turned[:, 2] + (width, height)[k] / 2 for k in (0, 1))
    for du in (0, 1):
        for dv in (0, 1):
            column, row = u.astype(int) + du, v.astype(int) + dv
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            picture[row[inside], column[inside]] = colours[inside]
    return picture


def main() -> None:
    """Write the picture."""
    photo = cv2.imread(str(share("demo", "leuvenA.jpg")))
    height, width = photo.shape[:2]
    engine = open_engine("auto", load_model(""), EngineOptions())
    answer = engine.segment([Frame(photo)], confidence=True)[0]
    k = np.array([FOCAL, 0, VANISHING[0], 0, FOCAL, VANISHING[1], 0, 0, 1])
    rgb = np.ascontiguousarray(photo[..., ::-1])
    depth = box_depth(height, width)
    depth[answer.labels == engine.spec.classes.names.index("sky")] = np.nan
    data = encode_cloud(make_header(1, "camera"), depth, k, rgb, answer.labels, answer.confidence)
    words = deserialise(data, POINT_CLOUD).data.view(np.float32).reshape(-1, len(FIELDS))
    painter = Painter(engine.spec.classes.colours)
    colours = painter.colour(answer.labels).reshape(-1, 3) // 2 + photo.reshape(-1, 3) // 2
    known = np.isfinite(words[:, 2])
    points = view(words[known, :3].astype(float), colours[known], height, width)
    row = np.concatenate([photo, painter.colour(answer.labels), points], axis=1)
    sheet = np.concatenate([row, legend(engine.spec.classes.names, engine.spec.classes.colours, row.shape[1])])
    small = cv2.resize(sheet, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    target = Path(__file__).parent.parent / "docs" / "images" / "points.jpg"
    cv2.imwrite(str(target), small, (cv2.IMWRITE_JPEG_QUALITY, 88))


if __name__ == "__main__":
    main()
