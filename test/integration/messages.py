"""Messages as any other node would build them: typed, field by field."""

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from icnet_ros.checkpoint.file import load
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine


def pixels(height=48, width=64, seed=0):
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def image(number=1, bgr=None, frame_id="front", **fields):
    bgr = pixels() if bgr is None else bgr
    message = Image(height=bgr.shape[0], width=bgr.shape[1], encoding="bgr8", step=bgr.shape[1] * 3)
    message.header.stamp.sec, message.header.stamp.nanosec = 1_000 + number, 987_654_321
    message.header.frame_id = frame_id
    message.data.frombytes(bgr.tobytes())
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def jpeg(number=1, content=None):
    content = cv2.imencode(".jpg", pixels())[1].tobytes() if content is None else content
    message = CompressedImage(format="jpeg")
    message.header.stamp.sec, message.header.frame_id = 1_000 + number, "front"
    message.data.frombytes(content)
    return message


def array(message, dtype=np.uint8, channels=()):
    values = np.frombuffer(message.data, dtype)
    return values.reshape(message.height, message.width, *channels)


def engine(model, **options):
    return open_engine("torch", load(model), EngineOptions("cpu", **options))


def calibration(height=48, width=64, **fields):
    info = CameraInfo(height=height, width=width, distortion_model="plumb_bob", d=[0.1, 0.0, 0.0, 0.0, 0.0], **fields)
    info.k = [50.0, 0.0, 31.5, 0.0, 60.0, 23.5, 0.0, 0.0, 1.0]
    info.p = [50.0, 0.0, 31.5, 0.5, 0.0, 60.0, 23.5, 0.25, 0.0, 0.0, 1.0, 0.0]
    info.header.frame_id = "optical"
    return info
