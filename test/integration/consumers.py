"""Programs that read our topics, as far as they check what they get. Written from the documentation and the sources of
the originals, which are named at each class.
"""

from collections import deque

import numpy as np
from icnet_ros.msg import ChannelInfo
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from vision_msgs.msg import LabelInfo

SENSOR_DATA = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=5, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def nanoseconds(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


class Synchroniser:
    """Calls `use` with one message of each topic whose stamps differ by at most `slop` seconds."""

    def __init__(self, node, topics, slop, use):
        self._kept = [deque(maxlen=1000) for _ in topics]
        self._slop, self._use = slop * 1e9, use
        for place, (kind, topic, qos) in enumerate(topics):
            node.create_subscription(kind, topic, lambda message, place=place: self._add(place, message), qos)

    def _add(self, place, message):
        self._kept[place].append(message)
        found = []
        for kept in self._kept:
            near = min(kept, key=lambda other: abs(nanoseconds(other) - nanoseconds(message)), default=None)
            if near is None or abs(nanoseconds(near) - nanoseconds(message)) > self._slop:
                return
            found.append(near)
        for kept, used in zip(self._kept, found, strict=True):
            kept.remove(used)
        self._use(*found)


class Nav2SemanticLayer:
    """semantic_segmentation_layer of Nav2 (kiwicampus/semantic_segmentation_layer, April 2026).

    complaints: what it would log as warnings and errors. costs: (x, y, z, cost) of the points it would mark.
    """

    def __init__(self, node, parameters):
        """parameters: of one observation source."""
        types = [parameters[name] for name in parameters["class_types"]]
        self._costs = {name: one["max_cost"] for one in types for name in one["classes"]}
        self._far, self._near = parameters["max_obstacle_distance"], parameters["min_obstacle_distance"]
        self._cost_of_id, self.complaints, self.costs = {}, [], []
        node.create_subscription(LabelInfo, parameters["labels_topic"], self._on_labels, LATCHED)
        topics = [
            (Image, parameters["segmentation_topic"], SENSOR_DATA),
            (Image, parameters["confidence_topic"], SENSOR_DATA),
            (PointCloud2, parameters["pointcloud_topic"], SENSOR_DATA),
        ]
        Synchroniser(node, topics, 0.1, self._on_frame)

    def _on_labels(self, info):
        self._cost_of_id = {}
        for entry in info.class_map:
            if entry.class_name in self._costs:
                self._cost_of_id[entry.class_id] = self._costs[entry.class_name]
            else:
                self.complaints.append(f"CRITICAL ERROR: Class '{entry.class_name}' from label_info is not defined")

    def _on_frame(self, labels, confidence, cloud):
        if labels.width * labels.height != cloud.width * cloud.height:
            self.complaints.append(f"sizes are different: {labels.width}x{labels.height}, {cloud.width}x{cloud.height}")
            return
        if not self._cost_of_id:
            self.complaints.append("Class map is empty because a labelinfo message has not been received")
            return
        if len(labels.data) < labels.width * labels.height or len(confidence.data) < len(labels.data):
            self.complaints.append("segmentation arrays have wrong sizes")
            return
        offsets = {field.name: field.offset for field in cloud.fields}
        words = np.frombuffer(cloud.data, np.float32).reshape(-1, cloud.point_step // 4)
        points = np.stack([words[:, offsets[name] // 4] for name in "xyz"], axis=1)
        distance = np.linalg.norm(points, axis=1)
        self.costs = [
            (*point, self._cost_of_id[label])
            for point, label, far in zip(points, labels.data, distance, strict=True)
            if np.isfinite(point[2]) and self._near < far < self._far and label in self._cost_of_id
        ]


class ElevationMapping:
    """elevation_mapping_cupy: images with one float channel per class, CameraInfo, names of the channels.

    layers: name -> array of the last image that it could use.
    """

    def __init__(self, node, image, info, channels):
        self._names, self.complaints, self.layers = [], [], {}
        node.create_subscription(
            ChannelInfo, channels, lambda message: setattr(self, "_names", message.channels), LATCHED
        )
        Synchroniser(node, [(Image, image, 10), (CameraInfo, info, 10)], 0.5, self._on_image)  # reliable

    def _on_image(self, image, info):
        if not self._names:
            return
        count = len(self._names)
        if image.encoding != f"32FC{count}" or len(image.data) != image.height * image.width * count * 4:
            self.complaints.append(f"{count} channel names for an image {image.encoding}")
            return
        if (info.height, info.width) != (image.height, image.width) or not info.k[0]:
            self.complaints.append(
                f"CameraInfo is for {info.width}x{info.height}, the image is {image.width}x{image.height}"
            )
            return
        array = np.frombuffer(image.data, np.float32).reshape(image.height, image.width, count)
        self.layers = {name: array[..., k] for k, name in enumerate(self._names)}


class SemanticInference:
    """What Hydra takes from MIT-SPARK/semantic_inference: labels of the colour image's size, and labelled clouds.

    ids: of the last label image; labels: of the last cloud.
    """

    def __init__(self, node, labels, colour, cloud):
        self.complaints, self.ids, self.labels = [], set(), set()
        Synchroniser(node, [(Image, labels, 10), (Image, colour, SENSOR_DATA)], 0.0, self._on_images)
        node.create_subscription(PointCloud2, cloud, self._on_cloud, 10)

    def _on_images(self, labels, colour):
        if labels.encoding not in ("mono8", "16SC1"):
            self.complaints.append(f"labels are {labels.encoding}")
        elif (labels.height, labels.width) != (colour.height, colour.width):
            self.complaints.append("label image and colour image differ in size")
        else:
            self.ids = set(labels.data)

    def _on_cloud(self, cloud):
        kinds = {field.name: (field.datatype, field.offset) for field in cloud.fields}
        if kinds.get("label", (0, 0))[0] != 6:  # UINT32
            self.complaints.append("the cloud has no uint32 field label")
            return
        words = np.frombuffer(cloud.data, np.uint32).reshape(-1, cloud.point_step // 4)
        self.labels = set(words[:, kinds["label"][1] // 4].tolist())
