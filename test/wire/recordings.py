"""Recordings for tests, written with libraries of others."""

import gzip
import struct
import zlib
from collections import defaultdict

import numpy as np
from mcap.writer import CompressionType, Writer

from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import IMAGE, WireError, typestore
from icnet_ros.wire.image import encode_image, make_header

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
BEGAN = 10**18


def image(number, pixels=PIXELS):
    return encode_image(make_header(BEGAN + number, "cam"), pixels + np.uint8(number), "bgr8")


COUNT = 5
IMAGES = [(BEGAN + number, image(number)) for number in range(COUNT)]
WHOLE = ({"/cam": IMAGES}, "")  # what `read` gives of them


def definition(kind):
    return typestore().generate_msgdef(kind, ros_version=2)[0].encode()


def write_mcap(path, topics, *, profile="ros2", **options):
    """topics: name -> (type, [(log time, content)], (schema encoding, message encoding, definition))."""
    options = {"compression": CompressionType.NONE, "chunk_size": 2000, **options}
    with path.open("wb") as file:
        writer = Writer(file, **options)
        writer.start(profile=profile)
        messages = []
        for name, (kind, content, *encodings) in topics.items():
            of_schema, of_message, text = encodings[0] if encodings else ("ros2msg", "cdr", definition(IMAGE))
            channel = writer.register_channel(name, of_message, writer.register_schema(kind, of_schema, text))
            messages += [(order, channel, time, data) for order, (time, data) in enumerate(content)]
        for _, channel, time, data in sorted(messages, key=lambda message: message[:2]):
            writer.add_message(channel, time, data, time)
        writer.finish()
    return path


def read(path, *topics):
    """{topic: [(time, content)]} until the damage, and what is said of it."""
    found = defaultdict(list)
    with open_bag(path) as bag:
        try:
            for message in bag.messages(*(topics or [topic.name for topic in bag.topics()])):
                found[message.topic].append((message.recorded_ns, message.content()))
        except WireError as err:
            return dict(found), str(err)
    return dict(found), ""


def zstd_transport(pixels, encoding, height, width, step, *, gzipped=True):
    """As zstd_image_transport of Jazzy to Lyrical sends it: a header, then gzip."""
    header = struct.pack("<IIBII", height, width, 0, step, len(encoding)) + encoding.encode()
    return header + (gzip if gzipped else zlib).compress(pixels.tobytes())
