"""Nav2's semantic layer, elevation maps and Hydra are served, and the stand-ins notice what would not serve them."""

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from consumers import ElevationMapping, Nav2SemanticLayer, SemanticInference
from messages import image
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from icnet_ros.share import share

IMAGE_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
PARAMETERS = yaml.safe_load(share("config", "nav2_semantic_costmap.yaml").read_text())
SOURCE = PARAMETERS["local_costmap"]["local_costmap"]["ros__parameters"]["semantic_layer"]["camera"]


@pytest.fixture
def robot(graph, model):
    """Starts the node, and sends colour, depth and CameraInfo until `done`."""

    class Robot:
        def start(self, **parameters):
            self.process = graph.start_node(
                model, "image:=/color/image_raw", "depth/image:=/depth/image", "depth/camera_info:=/depth/camera_info",
                engine="torch", **parameters,
            )  # fmt: skip
            self.color = graph.camera("/color/image_raw")
            self.depth = graph.node.create_publisher(Image, "/depth/image", IMAGE_QOS)
            self.infos = [
                graph.node.create_publisher(CameraInfo, f"/{name}/camera_info", 10) for name in ("color", "depth")
            ]
            self.number = 0

        def ask(self, done):
            return graph.spin_until(done, again=self.send)

        def send(self):
            self.number += 1
            colour = image(self.number)
            distances = np.full((24, 32), 2000, np.uint16)
            distances[:4] = 0
            depth = Image(
                height=24, width=32, encoding="16UC1", step=64, data=distances.tobytes(), header=colour.header
            )
            for publisher, size in zip(self.infos, ((48, 64), (24, 32)), strict=True):
                info = CameraInfo(height=size[0], width=size[1], header=colour.header)
                info.k = [40.0, 0.0, size[1] / 2, 0.0, 40.0, size[0] / 2, 0.0, 0.0, 1.0]
                publisher.publish(info)
            self.depth.publish(depth)
            self.color.publish(colour)

    return Robot()


def test_every_group_of_nav2_has_a_cost():
    groups = yaml.safe_load((share("config", "groups") / "nav2.yaml").read_text())
    names = {entry["name"] for entry in groups["groups"]} | {groups["rest"]["name"]}
    assert {name for kind in SOURCE["class_types"] for name in SOURCE[kind]["classes"]} == names


def test_nav2s_semantic_layer_is_served(graph, robot):
    layer = Nav2SemanticLayer(graph.node, SOURCE)
    robot.start(label_groups="nav2", publish_unlabelled=False, output_like="/depth/image")
    robot.ask(lambda: layer.costs)
    assert layer.complaints == []
    assert {cost for *_, cost in layer.costs} <= {0, 254}  # road, car; sky is unlabelled and has none
    assert 300 < len(layer.costs) <= 20 * 32  # four rows have no depth
    assert {round(float(z), 3) for _, _, z, _ in layer.costs} == {2.0}


def test_the_layer_complains_about_the_defaults(graph, robot):
    layer = Nav2SemanticLayer(graph.node, SOURCE)
    robot.start()
    robot.ask(lambda: any("unlabelled" in text for text in layer.complaints))
    assert any("CRITICAL ERROR: Class 'road'" in text for text in layer.complaints)
    assert not layer.costs


def test_the_layer_complains_about_another_size(graph, robot):
    """A cloud that does not come from our node, beside labels of the image's size."""
    from sensor_msgs.msg import PointCloud2

    layer = Nav2SemanticLayer(graph.node, {**SOURCE, "pointcloud_topic": "/cloud"})
    robot.start(label_groups="nav2", publish_unlabelled=False)
    cloud = graph.node.create_publisher(PointCloud2, "/cloud", 10)

    def send():
        robot.send()
        cloud.publish(PointCloud2(height=24, width=32, header=image(robot.number).header))

    graph.spin_until(lambda: any("sizes are different: 64x48, 32x24" in text for text in layer.complaints), again=send)
    assert not layer.costs


def test_elevation_maps_are_served(graph, robot):
    mapping = ElevationMapping(graph.node, "/icnet/scores", "/icnet/camera_info", "/icnet/scores/channels")
    robot.start(score_classes=["road", "sky"])
    robot.ask(lambda: mapping.layers)
    assert mapping.complaints == []
    assert set(mapping.layers) == {"road", "sky"}
    total = mapping.layers["road"] + mapping.layers["sky"]
    assert 0 <= total.min() < total.max() <= 1 + 1e-5


def test_hydra_is_served(graph, robot):
    hydra = SemanticInference(graph.node, "/icnet/labels", "/color/image_raw", "/icnet/points")
    robot.start()
    robot.ask(lambda: hydra.ids)
    other = SemanticInference(graph.node, "/icnet/labels", "/color/image_raw", "/icnet/points")
    assert graph.change(4)  # deactivate: the size is fixed while the node is active
    assert graph.set("output_like", "/depth/image").successful
    assert graph.change(3)
    robot.ask(lambda: other.labels)
    assert hydra.ids <= {0, 1, 2}
    assert other.labels <= {0, 1, 2}
    robot.ask(lambda: "label image and colour image differ in size" in other.complaints)
