"""What a replay leaves in its folder."""

import cv2
import numpy as np
import pytest
from drives import FRAMES, make_bag, run, write

from icnet_ros.evaluation.frames import read_table, write_table
from icnet_ros.evaluation.kept import Kept
from icnet_ros.evaluation.outputs import CONFIDENCE, LABELS, OVERLAY
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import WireError, deserialise
from icnet_ros.wire.image import decode_compressed, decode_image, decode_labels


def test_everything_that_can_be_asked_for(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    out = tmp_path / "out"
    found, _ = run(bag, engine, out, confidence=True)
    pictures = write(found, bag, engine, out, confidence=True, overlay=True)
    video = cv2.VideoCapture(str(out / "overlay.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    with open_bag(out / "answers") as answers:
        assert {topic.name: topic.messages for topic in answers.topics()} == dict.fromkeys(
            (LABELS, CONFIDENCE, OVERLAY), FRAMES
        )
        sure = [decode_image(message.data).pixels[..., 0].mean() / 255 for message in answers.messages(CONFIDENCE)]
        overlay = decode_compressed(next(answers.messages(OVERLAY)).data).pixels
    assert sure == pytest.approx([row.confidence for row in found.rows], abs=1e-4)
    assert overlay.shape == (96, 128, 3)
    assert len(pictures.thumbnails) == FRAMES
    assert [name for name, _ in pictures.worst[0][1]] == ["image", "prediction", "ground truth", "difference"]
    difference = cv2.imdecode(np.frombuffer(pictures.worst[0][1][3][1], np.uint8), cv2.IMREAD_GRAYSCALE)
    assert difference[:20].mean() > 240  # the wrong quarter
    assert difference[28:].mean() < 10
    assert pictures.worst[0][0].miou == min(row.miou for row in found.rows)


def test_the_table_reads_back(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine, damaged=(0,))
    found, _ = run(bag, engine, tmp_path / "out")
    write_table(tmp_path / "frames.csv", found.rows, engine.spec.classes.names)
    back = read_table(tmp_path / "frames.csv", engine.spec.classes.names)
    assert [repr(one) for one in back] == [repr(one).replace("=()", "=[]") for one in found.rows]
    with pytest.raises(ValueError, match="no column 'pixels:boat'"):
        read_table(tmp_path / "frames.csv", ["boat"])


def test_files_that_no_replay_wrote_are_kept(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "thesis.png").write_text("precious")
    with pytest.raises(WireError, match="no replay wrote"):
        Kept(tmp_path).prepare("same")
    assert (tmp_path / "labels" / "thesis.png").exists()


def test_the_answers_carry_the_headers_of_the_images(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    found, _ = run(bag, engine, tmp_path / "out")
    write(found, bag, engine, tmp_path / "out", video=False)
    assert not (tmp_path / "out" / "overlay.mp4").exists()
    with open_bag(bag) as images, open_bag(tmp_path / "out" / "answers") as answers:
        pairs = zip(images.messages("/cam/compressed"), answers.messages(LABELS), strict=True)
        for image, labels in pairs:
            theirs = deserialise(image.data, "sensor_msgs/msg/CompressedImage").header
            assert decode_labels(labels.data)[0] == theirs
