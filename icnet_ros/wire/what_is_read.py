"""The table of docs/what_is_read.md, from the tables of the decoders: `python -m icnet_ros.wire.what_is_read`."""

from collections.abc import Iterator
from typing import NamedTuple

from icnet_ros.wire.cdr import COMPRESSED_IMAGE, FFMPEG_PACKET, IMAGE
from icnet_ros.wire.decoders.image import FAST
from icnet_ros.wire.decoders.pixels import CONVERTED
from icnet_ros.wire.decoders.table import DECODERS, topic_of
from icnet_ros.wire.foxglove import KINDS
from icnet_ros.wire.pictures.picture_file import FORMATS
from icnet_ros.wire.video_stream import CODECS

BT601 = "BT.601, video range"
# How raw encodings are read; a key is the beginning of their names.
RAW_RULES = {
    "bgr8": "as they are", "8UC3": "as bgr8", "rgb8": "as they are", "bgra8": "without alpha", "rgba8": "without alpha",
    "mono8": "grey", "8UC1": "grey", "mono16": "grey, value / 257, rounded",
    **dict.fromkeys(("bgr16", "rgb16"), "value / 257, rounded"),
    **dict.fromkeys(("bgra16", "rgba16"), "without alpha, value / 257, rounded"),
    "bayer_": "mosaic, interpolated linearly; 10 to 14 bits lie in the low bits of 16, the largest value becomes 255",
    **dict.fromkeys(("yuv422_yuy2", "yuyv"), f"Y U Y V; {BT601}"),
    **dict.fromkeys(("yuv422", "uyvy"), f"U Y V Y; {BT601}"),
    "nv12": f"luma, then U V for 2x2 pixels; {BT601}", "nv21": f"luma, then V U for 2x2 pixels; {BT601}",
    "nv24": f"luma, then U V for each pixel; {BT601}", "i420": f"luma, U, V for 2x2 pixels; {BT601}",
    "yv12": f"luma, V, U for 2x2 pixels; {BT601}",
}  # fmt: skip
FILE_RULES = {
    "JPEG": "grey or colour as stored; of a Bayer topic a mosaic only if `format` says so behind `compressed`",
    **dict.fromkeys(("PNG", "TIFF"), "8 or 16 bits; of a Bayer topic a mosaic, unless `format` names another content"),
    "BMP": "as stored", **dict.fromkeys(("WEBP", "AVIF"), "as stored, 8 bits"),
}  # fmt: skip


class Row(NamedTuple):
    """A line of the table. kind: message type. formats: encodings or formats that are read alike."""

    kind: str
    formats: tuple[str, ...]
    rule: str


def rows() -> Iterator[Row]:
    """Every message type that has a decoder, with everything that it reads."""
    by_rule: dict[str, list[str]] = {}
    for encoding in (*FAST, *CONVERTED):
        by_rule.setdefault(_raw_rule(encoding), []).append(encoding)
    for (kind, _), decoder in DECODERS.items():
        if kind == IMAGE:
            yield from (Row(kind, tuple(encodings), rule) for rule, encodings in by_rule.items())
            continue
        if kind == COMPRESSED_IMAGE:
            for rule in dict.fromkeys(FILE_RULES.values()):
                yield Row(kind, tuple(name for name in FORMATS if FILE_RULES[name] == rule), rule)
            yield Row(kind, ("zstd",), "zstd_image_transport: raw pixels in any of the encodings above")
            yield Row(kind, ("h264", "h265", "vp9", "av1"), "as a video, in messages of drivers that send it like this")
            continue
        codecs = tuple(dict.fromkeys(CODECS.values())) if kind == FFMPEG_PACKET else ("h264", "h265", "vp9", "av1")
        yield Row(kind, codecs, f"a video, topic `{topic_of('…', decoder.transports[0])}`; needs PyAV")


def _raw_rule(encoding: str) -> str:
    return RAW_RULES.get(encoding) or next(rule for start, rule in RAW_RULES.items() if encoding.startswith(start))


def to_markdown() -> str:
    """The table, and the schemas of Foxglove that become these messages."""
    lines = ["| message | encoding or format | read as |", "|---|---|---|"]
    lines += [f"| `{row.kind}` | {', '.join(f'`{one}`' for one in row.formats)} | {row.rule} |" for row in rows()]
    lines += ["", "| schema of Foxglove (Protobuf, JSON, `foxglove_msgs` of ROS 1 and 2) | becomes |", "|---|---|"]
    lines += [f"| `foxglove.{schema}` | `{kind}` |" for schema, kind in KINDS.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(to_markdown())
