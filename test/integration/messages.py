"""Messages as any other node would build them: typed, field by field."""

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image


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
