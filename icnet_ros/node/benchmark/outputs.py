"""Cost of each output of the node for one frame, as if it had subscribers."""

from time import perf_counter, sleep

import numpy as np
from sensor_msgs.msg import CameraInfo

from icnet_ros.benchmark.timing import interleaved
from icnet_ros.checkpoint.default import load_model_spec
from icnet_ros.checkpoint.spec import ModelSpec
from icnet_ros.engine.base import LabelMap
from icnet_ros.ground.pose import pose_of
from icnet_ros.node.frame import DecodedFrame, LabelledFrame, NotYet, ReceivedImage
from icnet_ros.node.outputs.base import Output
from icnet_ros.node.outputs.table import OUTPUTS
from icnet_ros.node.parameters import Parameters
from icnet_ros.node.worker import Counters
from icnet_ros.wire.cdr import POINT_CLOUD, Header, deserialise
from icnet_ros.wire.cloud import Depth, encode_cloud
from icnet_ros.wire.image import Picture, make_header, stamp_ns
from icnet_ros.wire.lidar import Cloud, Matrix

STAMP = 1_000_000_007  # ns
READY_S = 60.0


class SampleInputs:
    """Depth, a cloud of as many points as the image has pixels, and calibrations, for every stamp."""

    def __init__(self, picture: Picture) -> None:
        height, width = picture.pixels.shape[:2]
        info = CameraInfo(height=height, width=width)
        info.k = [float(width), 0.0, width / 2, 0.0, float(width), height / 2, 0.0, 0.0, 1.0]
        self.info = self.depth_info = info
        self.tolerance_s, self.image_topic = 0.05, "/camera/image_rect"
        self._header: Header = picture.header
        self._depth: Depth = np.full((height, width), 2.0, np.float32)
        empty = np.zeros((height, width), np.uint8)
        data = encode_cloud(picture.header, self._depth, np.array(info.k), picture.pixels, empty, empty)
        self._cloud: Cloud = deserialise(data, POINT_CLOUD)

    def depth_at(self, stamp: int) -> tuple[Header, Depth] | None:
        """See ReceivedInputs."""
        return self._header, self._depth

    def may_come_nearer(self, stamp: int) -> bool:
        """See ReceivedInputs."""
        return False

    def cloud_at(self, stamp: int, camera_frame: str) -> tuple[Cloud, Matrix] | None:
        """See ReceivedInputs."""
        return self._cloud, np.eye(4)

    def camera_in(self, frame: str, stamp: int, camera_frame: str) -> Matrix:
        """See ReceivedInputs."""
        return pose_of(1.2, pitch=10)


class Sink:
    """A publisher with one subscriber that receives nothing."""

    topic_name = ""

    def publish(self, message: object) -> None:
        """See Publisher."""

    def get_subscription_count(self) -> int:
        """See Publisher."""
        return 1


def measure(height: int, width: int, model: str, rounds: int) -> dict[str, float]:
    """Median milliseconds of each output; transport is not included."""
    spec, settings = load_model_spec(model), Parameters()
    outputs = {name: make(spec, settings) for name, make in OUTPUTS.items()}
    outputs = {name: one for name, one in outputs.items() if not all(topic.latched for topic in one.topics)}
    for output in outputs.values():
        output.publishers = {topic.name: Sink() for topic in output.topics}
    frame = sample_frame(spec, settings, outputs, height, width)
    for output in outputs.values():
        _wait_until_ready(output, frame)
    runs = {name: (lambda output=output: output.publish(frame)) for name, output in outputs.items()}
    return {name: 1000 * seconds for name, seconds in interleaved(runs, rounds, lambda *_: None).items()}


def _wait_until_ready(output: Output, frame: LabelledFrame) -> None:
    """Return when the output has what it computes only once."""
    deadline = perf_counter() + READY_S
    while perf_counter() < deadline:
        try:
            output.publish(frame)
        except NotYet:
            sleep(0.01)
        else:
            return


def sample_frame(
    spec: ModelSpec, settings: Parameters, outputs: dict[str, Output], height: int, width: int
) -> LabelledFrame:
    """A frame with everything that the outputs may need."""
    random, shape = np.random.default_rng(0), (height, width)
    picture = Picture(make_header(STAMP, "camera"), random.integers(0, 256, (*shape, 3), np.uint8), "bgr")
    scored = tuple(dict.fromkeys(index for output in outputs.values() for index in output.needs.scores))
    labels = np.sort(random.integers(0, len(spec.classes), shape, np.uint8), axis=1)  # in stretches, like labels
    confidence, scores = np.full(shape, 200, np.uint8), np.zeros((*shape, len(scored)), np.float32)
    label_map = LabelMap(labels, confidence, scores, {"preprocess": 0.0, "inference": 0.0, "postprocess": 0.0})
    now = perf_counter()
    decoded = DecodedFrame("", ReceivedImage(b"", now, stamp_ns(picture.header)), now, now, picture, None)
    inputs = SampleInputs(picture)
    return LabelledFrame(decoded, label_map, scored, "stub", "sub124", settings, inputs, Counters(), now)
