"""docs/images/ground.jpg: the demo's drive as image with metres, overlay, and grid and scan from above.

The drive is that of scripts/points_picture.py: the demo photograph on a box, whose ground is a plane.

    source scripts/env.sh && python scripts/ground_picture.py
"""

import math
from pathlib import Path

import cv2
import numpy as np
from points_picture import FOCAL, FRAMES, GROUND, SHOWN, STEP, VANISHING, render

from icnet_ros.checkpoint.costs import load_costs
from icnet_ros.engine.base import EngineOptions, Frame
from icnet_ros.engine.inference import InferenceSettings
from icnet_ros.ground.camera import GroundCamera
from icnet_ros.ground.lines import draw_ground
from icnet_ros.ground.pose import pose_of
from icnet_ros.ground.shapes import GridShape, ScanShape
from icnet_ros.ground.view import GroundSettings, GroundView
from icnet_ros.render.painter import Painter
from icnet_ros.replay.ground import beside
from icnet_ros.share import share
from icnet_ros.wire.pictures.picture_file import read_picture


def main() -> None:
    """Write the picture."""
    photo = read_picture(share("demo", "leuvenA.jpg"))
    height, width = photo.shape[:2]
    inference = InferenceSettings("", "auto", EngineOptions())
    engine = inference.open(inference.load())
    classes = engine.spec.classes
    camera = GroundCamera(height, width, (FOCAL, FOCAL), (float(VANISHING[0]), float(VANISHING[1])))
    settings = GroundSettings(
        GridShape(0.05, 240, 200, 0.0, -5.0), ScanShape(range_max=12.0), load_costs(classes, "", "nav2")
    )
    view = GroundView(camera, pose_of(GROUND), settings)  # level: its centre is the vanishing point
    painter, rows = Painter(classes.colours), []
    for number in SHOWN:
        if number >= FRAMES:
            raise SystemExit(f"the drive has {FRAMES} frames")
        image, _ = render(photo, number * STEP)
        labels = engine.segment([Frame(image)])[0].labels
        view.look(labels)
        lines = draw_ground(image, camera, view.pose)
        rows.append(np.concatenate([lines, beside(painter.overlay(image, labels), view)], axis=1))
    sheet = np.concatenate(rows)
    scale = math.sqrt(900_000 / sheet.shape[0] / sheet.shape[1])
    small = cv2.resize(sheet, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    target = Path(__file__).parent.parent / "docs" / "images" / "ground.jpg"
    cv2.imwrite(str(target), small, (cv2.IMWRITE_JPEG_QUALITY, 85))


if __name__ == "__main__":
    main()
