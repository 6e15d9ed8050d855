"""What an engine can do to the node, and what the node makes of it."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this environment (rclpy)")

from diagnostic_msgs.msg import DiagnosticArray
from icnet_ros.msg import FrameLatency
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from messages import image, pixels
from sensor_msgs.msg import Image

OK, WARN, ERROR = b"\0", b"\1", b"\2"


class Rig:
    """The node with the faulty engine, a camera, and what comes out."""

    def __init__(self, graph, model, tmp_path, **parameters):
        self.graph, self.fault, self.sent = graph, tmp_path / "fault", 0
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        graph.environment |= {"FAULT": str(self.fault), "PYTHONPATH": path}
        parameters = {"model": model, "engine": "torch", "warm_up_width": 64, "warm_up_height": 48, **parameters}
        words = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
        self.process = graph.start("--ros-args", *words, module="faulty")
        self.latencies, _ = graph.listen(FrameLatency, "/icnet/latency", 50)
        self.statuses, _ = graph.listen(DiagnosticArray, "/diagnostics")
        self.labels, _ = graph.listen(Image, "/icnet/labels")
        self.camera = graph.camera()

    def send(self):
        self.sent += 1
        self.camera.publish(image(self.sent))
        return 1_000 + self.sent

    def labelled(self, stamp=None):
        """The latency message of a frame, by default of one sent now."""
        stamp = stamp or self.send()
        self.graph.spin_until(lambda: any(entry.header.stamp.sec == stamp for entry in self.latencies))
        return next(entry for entry in self.latencies if entry.header.stamp.sec == stamp)

    def said(self, level, words, *, sending=True):
        """Wait until the diagnostics say this."""
        self.statuses.clear()

        def heard():
            if sending:
                self.send()
                self.graph.spin_for(0.1)
            latest = [status for array in self.statuses[-1:] for status in array.status]
            return any(status.level == level and words in status.message for status in latest)

        self.graph.spin_until(heard)

    def alive(self):
        assert self.process.popen.poll() is None, self.process.text


def test_an_engine_that_fails_once_loses_one_frame(graph, model, tmp_path):
    rig = Rig(graph, model, tmp_path)
    rig.labelled()
    rig.fault.write_text("once")
    rig.send()
    graph.spin_until(lambda: not rig.fault.exists())
    graph.spin_for(0.2)
    after = rig.labelled()
    assert (after.processed, after.failed) == (2, 1)


@pytest.mark.parametrize("fault", ["fail", "break"])
def test_an_engine_that_always_fails_is_an_error_until_it_works_again(graph, model, tmp_path, fault):
    rig = Rig(graph, model, tmp_path)
    rig.fault.write_text(fault)
    rig.said(ERROR, "the device is gone" if fault == "fail" else "an error nobody thought of")
    rig.said(ERROR, "times in a row, next try in")
    rig.alive()
    rig.fault.unlink()
    rig.said(OK, "frames/s")
    assert rig.labelled().failed > 1


def test_the_fallback_engine_answers_until_the_first_works_again(graph, model, tmp_path):
    pytest.importorskip("onnxruntime")
    rig = Rig(graph, model, tmp_path, fallback_engine="onnxruntime")
    assert rig.labelled().engine == "torch"
    rig.fault.write_text("fail")
    rig.said(WARN, "engine onnxruntime is used instead: the device is gone")
    during = rig.labelled()
    assert (during.engine, during.failed) == ("onnxruntime", 0)
    rig.fault.unlink()
    rig.said(OK, "frames/s")
    assert (last := rig.labelled()).engine == "torch"
    assert last.failed == 0


def test_a_hung_engine_shows_while_it_hangs(graph, model, tmp_path):
    rig = Rig(graph, model, tmp_path, hang_timeout_s=1.0)
    rig.fault.write_text("hang")
    rig.said(ERROR, "the engine has not answered for")
    rig.fault.unlink()
    rig.said(OK, "frames/s")
    rig.alive()


def test_deactivate_with_a_frame_in_hand_still_publishes_it(graph, model, tmp_path):
    rig = Rig(graph, model, tmp_path)
    rig.labelled()
    rig.fault.write_text("slow")
    stamp = rig.send()
    graph.spin_for(0.3)
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert graph.call(ChangeState, "/icnet/change_state", request).success
    graph.spin_until(lambda: [message.header.stamp.sec for message in rig.labels][-1:] == [stamp])
    rig.alive()


def test_a_signal_ends_a_node_whose_engine_hangs(graph, model, tmp_path):
    rig = Rig(graph, model, tmp_path)
    rig.fault.write_text("hang")
    rig.send()
    graph.spin_for(0.5)
    code, seconds = rig.process.interrupt(signal.SIGINT)
    assert "it is abandoned" in rig.process.text
    assert code == 0
    assert seconds < 10  # launch sends SIGTERM after 5 s, SIGKILL after 10 s


def test_killed_in_mid_frame_and_started_again(graph, model, tmp_path):
    rig = Rig(graph, model, tmp_path)
    rig.fault.write_text("hang")
    rig.send()
    graph.spin_for(0.3)
    code, _ = rig.process.interrupt(signal.SIGKILL)
    assert code == -signal.SIGKILL
    rig.fault.unlink()
    again = Rig(graph, model, tmp_path)
    again.sent = rig.sent  # its camera still matches the dead one, which nobody has missed yet
    graph.spin_until(lambda: again.latencies, again=again.send)
    assert again.latencies[0].received == again.latencies[0].processed


def test_a_worker_thread_that_would_die_does_not(graph, model, tmp_path):
    rig = Rig(graph, model, tmp_path)
    rig.fault.write_text("exit")
    rig.said(ERROR, "frame not segmented: SystemExit")
    rig.fault.unlink()
    rig.said(OK, "frames/s")
    rig.alive()


def test_the_checkpoint_may_vanish_or_be_replaced_while_the_node_runs(graph, model, tmp_path):
    copy = tmp_path / "copy.safetensors"
    shutil.copyfile(model, copy)
    rig = Rig(graph, copy, tmp_path)
    rig.labelled()
    copy.unlink()
    assert rig.labelled().failed == 0
    copy.write_bytes(b"of something else")
    assert rig.labelled().failed == 0
    assert graph.change(Transition.TRANSITION_DEACTIVATE)
    assert graph.change(Transition.TRANSITION_ACTIVATE)  # the engine is still there
    graph.spin_until(lambda: rig.camera.get_subscription_count() == 1)
    sent = rig.sent
    graph.spin_until(lambda: rig.latencies[-1].header.stamp.sec > 1_000 + sent, again=rig.send)
    assert graph.change(Transition.TRANSITION_DEACTIVATE)
    assert graph.change(Transition.TRANSITION_CLEANUP)
    assert not graph.change(Transition.TRANSITION_CONFIGURE)
    assert "copy.safetensors" in rig.process.text


def test_a_cache_folder_that_cannot_be_written_costs_time_only(graph, model, tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "file").write_text("no folder")
    graph.environment["ICNET_CACHE"] = str(tmp_path / "file" / "cache")
    rig = Rig(graph, model, tmp_path, engine="onnxruntime")
    assert rig.labelled().engine == "onnxruntime"
    assert "cannot keep files in" in rig.process.text
    assert "ICNET_CACHE" in rig.process.text


def test_a_full_cache_folder_costs_time_only(graph, model, tmp_path):
    pytest.importorskip("onnxruntime")
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system here")
    try:
        graph.environment["ICNET_CACHE"] = str(small)
        rig = Rig(graph, model, tmp_path, engine="openvino")
        assert rig.labelled().engine == "openvino"
        assert f"cannot keep files in {small}" in rig.process.text
        assert "Traceback" not in rig.process.text
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)


def test_a_truncated_artefact_in_the_cache_is_made_again(graph, model, tmp_path):
    pytest.importorskip("onnxruntime")
    cache = tmp_path / "cache"
    graph.environment["ICNET_CACHE"] = str(cache)
    rig = Rig(graph, model, tmp_path, engine="onnxruntime")
    rig.labelled()
    rig.process.interrupt()
    graph.spin_until(lambda: not rig.camera.get_subscription_count())  # it would be taken for that of the next node
    (artefact,) = cache.glob("*.onnx")
    artefact.write_bytes(artefact.read_bytes()[:1000])
    again = Rig(graph, model, tmp_path, engine="onnxruntime")
    again.sent = rig.sent
    assert again.labelled().engine == "onnxruntime"
    assert "its content is not what was written" in again.process.text


def test_frame_sizes_that_alternate_cost_no_memory(graph, model, tmp_path):
    """Every frame of another size, more sizes than an engine keeps: nothing compiled for a size is kept for good."""
    pytest.importorskip("openvino")
    rig = Rig(graph, model, tmp_path, engine="openvino")
    sizes = [(48 + 8 * step, 64 + 8 * step) for step in range(8)]

    def round_():
        for height, width in sizes:
            rig.sent += 1
            rig.camera.publish(image(rig.sent, pixels(height, width)))
            rig.labelled(1_000 + rig.sent)
        return int(
            re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{rig.process.popen.pid}/status").read_text(encoding="utf-8"))[1]
        )

    rig.labelled()
    first = [round_() for _ in range(3)][-1]
    last = [round_() for _ in range(4)][-1]
    assert last < 1.05 * first, f"{first} -> {last} kB"
    assert rig.latencies[-1].failed == 0
