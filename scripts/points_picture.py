"""docs/images/points.jpg: a drive with depth through the node; its images, classes and labelled points.

There is no recorded drive with depth that could be shown. This one is rendered: the demo photograph lies on a box (a
flat ground, two walls that meet at the vanishing point), and a camera drives into it. Image and depth are exact for
that box. The node gets both over DDS and publishes ~/color and ~/points, which are collected here.

    source scripts/env.sh && python scripts/points_picture.py
"""

import os
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from icnet_ros.checkpoint.default import load_model_spec
from icnet_ros.dds import profile_environment
from icnet_ros.node.benchmark.graph import node_under_test, participant, wait_for_subscribers
from icnet_ros.render.painter import legend
from icnet_ros.share import share
from icnet_ros.wire.cloud import FIELDS
from icnet_ros.wire.image import encode_image, make_header
from icnet_ros.wire.pictures.picture_file import read_picture

VANISHING = np.array([228.0, 372.0])  # pixels of the photograph
FOCAL = 560.0  # pixels, assumed
GROUND, LEFT, RIGHT, FAR = 1.6, -3.5, 6.0, 40.0  # metres from the first position of the camera
STEP, FRAMES = 0.25, 17  # metres between two frames
SHOWN = (0, 8, 16)
EYE, PITCH = np.array([0.5, -3.2, -0.5]), 0.42  # of the viewer, metres and radians
SIZE = 2  # pixels of a point


def render(photo: np.ndarray, forward: float) -> tuple[np.ndarray, np.ndarray]:
    """Image BGR (H, W, 3) and depth (H, W) in metres, NaN beyond the box, of the camera `forward` metres into it."""
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]].astype(np.float64)
    x, y = (columns - VANISHING[0]) / FOCAL, (rows - VANISHING[1]) / FOCAL
    with np.errstate(divide="ignore"):
        depth = np.fmin(np.where(x < 0, LEFT, RIGHT) / x, np.where(y > 0, GROUND / y, np.inf))
    depth = np.fmin(depth, FAR - forward)
    whole = depth + forward  # from the first position, where the photograph was taken
    u, v = (FOCAL * side * depth / whole + centre for side, centre in ((x, VANISHING[0]), (y, VANISHING[1])))
    maps = u.astype(np.float32), v.astype(np.float32)
    image = cv2.remap(photo, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return image, np.where(whole < FAR - 0.1, depth, np.nan).astype(np.float32)


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
    for du in range(SIZE):
        for dv in range(SIZE):
            column, row = u.astype(int) + du, v.astype(int) + dv
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            picture[row[inside], column[inside]] = colours[inside]
    return picture


def drive(frames: list[tuple[np.ndarray, np.ndarray]]) -> tuple[dict[int, Any], dict[int, Any]]:
    """Messages of ~/color and ~/points by frame, from a node that gets the frames."""
    height, width = frames[0][1].shape
    settings = {"output_like": "depth/image", "warm_up_width": width, "warm_up_height": height}
    colour: dict[int, Any] = {}
    points: dict[int, Any] = {}
    with node_under_test(settings) as process, participant("points_picture") as node:
        node.create_subscription(Image, "/icnet/color", lambda m: colour.update({m.header.stamp.sec: m}), 5)
        node.create_subscription(PointCloud2, "/icnet/points", lambda m: points.update({m.header.stamp.sec: m}), 5)
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        topics = ((Image, "/image"), (Image, "/depth/image"), (CameraInfo, "/depth/camera_info"))
        publishers = [node.create_publisher(kind, topic, qos) for kind, topic in topics]
        wait_for_subscribers(node, publishers, process)
        for number, (image, depth) in enumerate(frames, 1):
            header = make_header(number * 10**9, "camera")
            info = CameraInfo(height=height, width=width)
            info.header.stamp.sec, info.header.frame_id = number, "camera"
            info.k = [FOCAL, 0.0, VANISHING[0], 0.0, FOCAL, VANISHING[1], 0.0, 0.0, 1.0]
            deadline = time.monotonic() + 30
            while number not in points or number not in colour:
                publishers[2].publish(info)
                publishers[1].publish(encode_image(header, depth, "32FC1"))
                time.sleep(0.2)  # the depth image has to be there first
                publishers[0].publish(encode_image(header, image, "bgr8"))
                again = time.monotonic() + 2
                while time.monotonic() < again and (number not in points or number not in colour):
                    rclpy.spin_once(node, timeout_sec=0.1)
                if time.monotonic() > deadline:
                    raise SystemExit("the node publishes no points")
    return colour, points


def main() -> None:
    """Write the picture."""
    os.environ.update(profile_environment())  # images of this size need the shipped profile
    photo = read_picture(share("demo", "leuvenA.jpg"))
    height, width = photo.shape[:2]
    frames = [render(photo, number * STEP) for number in range(FRAMES)]
    colour, points = drive(frames)
    rows, places, colours = [], np.empty((0, 3)), np.empty((0, 3), np.uint8)
    for number, (image, _) in enumerate(frames):
        classes = np.frombuffer(colour[number + 1].data, np.uint8).reshape(height, width, 3)[..., ::-1]
        words = np.frombuffer(points[number + 1].data, np.float32).reshape(-1, len(FIELDS))
        known = np.isfinite(words[:, 2])
        places = np.concatenate([places, words[known, :3] + (0, 0, number * STEP)])
        mixed = classes.reshape(-1, 3)[known] // 2 + image.reshape(-1, 3)[known] // 2
        colours = np.concatenate([colours, mixed])
        if number in SHOWN:
            rows.append(np.concatenate([image, classes, view(places, colours, height, width)], axis=1))
    table = load_model_spec("").classes
    sheet = np.concatenate([*rows, legend(table.names, table.colours, rows[0].shape[1])])
    small = cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    target = Path(__file__).parent.parent / "docs" / "images" / "points.jpg"
    cv2.imwrite(str(target), small, (cv2.IMWRITE_JPEG_QUALITY, 85))


if __name__ == "__main__":
    main()
