"""An output, a decoder and an engine of another package, added at run time: what docs/architecture.md shows."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from clouds import BGR, CLASSES, LABELS, cloud
from icnet_example.cloud_picture import CloudPictureDecoder

from icnet_ros.checkpoint.file import untrained
from icnet_ros.engine.base import Engine, EngineOptions, Frame, Request
from icnet_ros.engine.table import ENGINES, Entry, open_engine
from icnet_ros.wire.bag import BagWriter, open_bag
from icnet_ros.wire.cdr import POINT_CLOUD, WireError
from icnet_ros.wire.decoders.table import DECODERS
from icnet_ros.wire.reading import first_picture

FOLDER = Path(__file__).parent / "icnet_example"
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "architecture.md"


@pytest.fixture
def colours(monkeypatch):
    monkeypatch.setitem(ENGINES, "colours", Entry("icnet_example.colour_engine", "ColourEngine"))
    return open_engine("colours", untrained(CLASSES), EngineOptions())


def test_an_engine_is_added_by_its_name(colours):
    assert isinstance(colours, Engine)
    label_map = colours.segment([Frame(BGR)], Request(confidence=True, scores=(3, 0)))[0]
    assert np.array_equal(label_map.labels, LABELS)
    assert (label_map.confidence == 255).all()
    assert np.array_equal(label_map.scores[..., 0] == 1, LABELS == 3)
    assert colours.segment([Frame(BGR, size=(20, 24))])[0].labels.shape == (20, 24)
    turned = open_engine("colours", untrained(CLASSES), EngineOptions(rotate=90)).segment([Frame(BGR)])[0].labels
    assert np.array_equal(turned, LABELS), "what all engines have, it has too"


def test_topics_of_an_added_type_are_cameras_of_a_bag(tmp_path, monkeypatch):
    writer = BagWriter(tmp_path / "bag", [("/depth/points", POINT_CLOUD)])
    writer.write("/depth/points", cloud(BGR), 1)
    writer.close()
    with open_bag(tmp_path / "bag") as bag:
        assert bag.cameras() == []
    monkeypatch.setitem(DECODERS, (POINT_CLOUD, "cdr"), CloudPictureDecoder)
    with open_bag(tmp_path / "bag") as bag:
        assert [(topic.name, topic.base) for topic in bag.cameras()] == [("/depth/points", "/depth")]
        picture = first_picture(bag, bag.image_topic())
    assert np.array_equal(picture.bgr(), BGR)
    assert picture.header.frame_id == "depth"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (cloud(BGR, fields="xyz"), "3 fields: not in rows, or no rgb"),
        (cloud(BGR, rows=1), "a cloud of 1 rows"),
        (cloud(BGR, rows=41), "31360 bytes for 41 rows of 784 bytes"),
        (b"damaged", "are not a sensor_msgs/msg/PointCloud2"),
    ],
)
def test_what_a_decoder_cannot_read_is_said(data, message):
    with pytest.raises(WireError, match=message):
        CloudPictureDecoder().decode(data)


@pytest.mark.parametrize("name", ["coverage", "cloud_picture", "colour_engine"])
def test_each_is_one_short_file_that_the_documentation_shows(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 60
    assert inspect.cleandoc(text) in DOCUMENTATION.read_text()
