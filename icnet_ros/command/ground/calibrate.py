"""`icnet calibrate-ground`: shows whether height, pitch and roll of a camera are right."""

import math
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from icnet_ros.command.console import console
from icnet_ros.command.ground.options import CameraInfoFile, CameraOptions, Fov, Height, Pitch, Rectified, Roll
from icnet_ros.ground.lines import draw_ground, metres_per_row
from icnet_ros.wire.pictures.picture_file import read_picture, write_picture


def calibrate_ground(
    image: Annotated[Path, typer.Argument(help="A picture of the camera, with level ground in view.")],
    height: Height = 0.0,
    pitch: Pitch = 0.0,
    roll: Roll = 0.0,
    fov: Fov = 0.0,
    camera_info: CameraInfoFile = None,
    rectified: Rectified = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture to write.")] = Path("ground.png"),
) -> None:
    """Draw the metres of the ground and the horizon on a picture, for a camera of this height, pitch and roll.

    The numbers are right where the red line lies on the horizon, the lines along lie beside what runs straight ahead,
    and the lines across lie where a tape measure says. They are the node's parameters camera_height, camera_pitch and
    camera_roll.
    """
    options = CameraOptions(height, pitch, roll, fov, camera_info, rectified)
    pose, bgr = options.pose(), read_picture(image)
    camera = options.camera(*bgr.shape[:2])
    write_picture(out, draw_ground(bgr, camera, pose))
    table = Table("metres ahead", "a row of pixels spans")
    for distance in (2.0, 5.0, 10.0, 20.0):
        span = metres_per_row(camera, pose, distance)
        table.add_row(f"{distance:g}", "not in the picture" if math.isnan(span) else f"{100 * span:.1f} cm")
    console.print(table)
    centre = np.array([camera.centre[0]])
    rows = np.arange(camera.height, dtype=np.float64)
    upward = camera.rays(np.repeat(centre, len(rows)), rows) @ pose[2, :3]
    below = np.flatnonzero(upward < 0)
    if len(below):
        console.print(f"horizon at row {below[0]} of {camera.height} in the middle of the picture")
    console.print(f"-p camera_height:={height:g} -p camera_pitch:={pitch:g} -p camera_roll:={roll:g}")
    console.print(f"picture: {out}", soft_wrap=True)
