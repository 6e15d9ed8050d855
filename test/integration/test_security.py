"""config/sros2_policy.xml allows what the running node does, and nothing else."""

import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from icnet_ros.share import share

# Made by every rclpy node in some releases only.
OPTIONAL = {"/clock", "/icnet/get_type_description"}


def allowed(kind, permission):
    root = ET.fromstring(share("config", "sros2_policy.xml").read_text())
    return {entry.text for group in root.iter(f"{kind}s") if group.get(permission) for entry in group}


def test_the_policy_names_the_topics_and_services_of_the_node(graph, model):
    graph.start_node(model, "image:=/camera/image_raw", use_sim_time=True)
    graph.camera("/camera/image_raw")

    def used(by_node):
        return {name for name, _ in by_node("icnet", "/")}

    published = used(graph.node.get_publisher_names_and_types_by_node)
    subscribed = used(graph.node.get_subscriber_names_and_types_by_node)
    served = used(graph.node.get_service_names_and_types_by_node)
    assert published | {"/bond"} == allowed("topic", "publish")  # with a lifecycle manager
    assert subscribed - OPTIONAL == {"/camera/image_raw"}
    optional = {
        "/cloud",
        "/camera/camera_info",
        "/depth/image",
        "/depth/camera_info",
        "/tf",
        "/tf_static",
        "/bond",
    }  # for outputs that have subscribers
    assert allowed("topic", "subscribe") - optional == {"/camera/image_raw", "/camera/image_raw/compressed", "/clock"}
    assert served - OPTIONAL == allowed("service", "reply") - OPTIONAL
