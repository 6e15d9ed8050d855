"""What a replay leaves in its folder."""

import cv2
import numpy as np
import pytest
from drives import FRAMES, make_bag, run, write

from icnet_ros.replay.results.result_store import ResultStore
from icnet_ros.report.frames_csv import read_frames, write_frames
from icnet_ros.report.outputs import CONFIDENCE, LABELS, OVERLAY
from icnet_ros.wire.bag import open_bag
from icnet_ros.wire.cdr import WireError, deserialise
from icnet_ros.wire.decoders.compressed import decode_compressed
from icnet_ros.wire.decoders.image import decode_image, decode_labels


def test_everything_that_can_be_asked_for(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    out = tmp_path / "out"
    result, _ = run(bag, engine, out, confidence=True)
    pictures = write(result, bag, engine, out, confidence=True, overlay=True)
    video = cv2.VideoCapture(str(out / "overlay.webm"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    with open_bag(out / "predictions") as predictions:
        assert {topic.name: topic.messages for topic in predictions.topics()} == dict.fromkeys(
            (LABELS, CONFIDENCE, OVERLAY), FRAMES
        )
        sure = [decode_image(message.data).pixels[..., 0].mean() / 255 for message in predictions.messages(CONFIDENCE)]
        overlay = decode_compressed(next(predictions.messages(OVERLAY)).data).pixels
    assert sure == pytest.approx([frame.confidence for frame in result.frames], abs=1e-4)
    assert overlay.shape == (96, 128, 3)
    assert len(pictures.thumbnails) == FRAMES
    assert [name for name, _ in pictures.worst[0][1]] == ["image", "prediction", "ground truth", "difference"]
    difference = cv2.imdecode(np.frombuffer(pictures.worst[0][1][3][1], np.uint8), cv2.IMREAD_GRAYSCALE)
    assert difference[:20].mean() > 240  # the wrong quarter
    assert difference[28:].mean() < 10
    assert pictures.worst[0][0].miou == min(frame.miou for frame in result.frames)


def test_the_table_reads_back(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine, damaged=(0,))
    result, _ = run(bag, engine, tmp_path / "out")
    write_frames(tmp_path / "frames.csv", result.frames, engine.spec.classes.names)
    back = read_frames(tmp_path / "frames.csv", engine.spec.classes.names)
    assert [repr(one) for one in back] == [repr(one).replace("=()", "=[]") for one in result.frames]
    with pytest.raises(ValueError, match="no column 'pixels:boat'"):
        read_frames(tmp_path / "frames.csv", ["boat"])


def test_files_that_no_replay_wrote_stay(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "thesis.png").write_text("precious")
    with pytest.raises(WireError, match="no replay wrote"):
        ResultStore(tmp_path).prepare("same")
    assert (tmp_path / "labels" / "thesis.png").exists()


def test_predictions_carry_the_headers_of_the_images(tmp_path, engine):
    bag = make_bag(tmp_path / "bag", engine)
    result, _ = run(bag, engine, tmp_path / "out")
    write(result, bag, engine, tmp_path / "out", video=False)
    assert not (tmp_path / "out" / "overlay.webm").exists()
    with open_bag(bag) as images, open_bag(tmp_path / "out" / "predictions") as predictions:
        pairs = zip(images.messages("/cam/compressed"), predictions.messages(LABELS), strict=True)
        for image, labels in pairs:
            theirs = deserialise(image.data, "sensor_msgs/msg/CompressedImage").header
            assert decode_labels(labels.data)[0] == theirs
