import json
import re
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest

from icnet_ros.command import doctor
from icnet_ros.command.main import main
from icnet_ros.command.sets import SETS
from icnet_ros.dds import NEW, OLD
from icnet_ros.engine.table import ENGINES


def by_name(findings):
    return {finding.name: finding for finding in findings}


def report(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["icnet", "doctor", "--json"])
    with pytest.raises(SystemExit) as stop:
        raise SystemExit(main())
    return stop.value.code, {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}


def test_a_healthy_machine(monkeypatch, capsys, tmp_path):
    (tmp_path / "profile.xml").write_text("<profiles/>")
    monkeypatch.setenv(NEW, str(tmp_path / "profile.xml"))
    monkeypatch.delenv(OLD, raising=False)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(total=2**30))
    code, found = report(monkeypatch, capsys)
    advised = {name: entry["advice"] for name, entry in found.items() if entry["advice"]}
    assert code == (1 if advised else 0)
    assert not advised.keys() - {"numpy", "messages", "NVIDIA driver"}  # what a machine of a tester may lack
    assert set(ENGINES) <= set(found)
    assert found["model"]["value"].endswith("icnet_street.safetensors")
    assert found["int8"]["value"].split(", ") == [f"icnet_street.{e}.int8.onnx" for e in ("sub124", "sub24", "sub4")]


def test_no_dds_profile_is_a_hint_with_the_command(monkeypatch):
    monkeypatch.setattr(doctor, "find_spec", lambda _: object())
    finding = by_name(doctor.ros({"ROS_DISTRO": "jazzy"}))["profile"]
    variable, _, file = finding.hint.rpartition("export ")[2].partition("=")
    assert (finding.value, finding.advice, variable, Path(file).is_file()) == ("none set here", "", OLD, True)
    assert f"export {NEW}=" in by_name(doctor.ros({"ROS_DISTRO": "kilted"}))["profile"].hint


@pytest.mark.parametrize(
    ("profiles", "words"),
    [
        ({OLD: "a", NEW: "a"}, "unset one"),
        ({NEW: "/none.xml"}, "there is no such file"),
    ],
)
def test_a_wrong_dds_profile(profiles, words):
    assert words in by_name(doctor.ros(profiles))["profile"].advice


def test_too_little_shared_memory(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(total=64 * 2**20))
    finding = by_name(doctor.ros({}))["shared memory"]
    assert (finding.value, "--ipc=host" in finding.advice) == ("64 MiB", True)


def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ICNET_CACHE", str(tmp_path / "file" / "cache"))
    assert "set ICNET_CACHE" in by_name(doctor.files())["cache"].advice


def test_what_is_not_installed_says_how(monkeypatch):
    for module in ("icnet_ros.packages", "icnet_ros.command.doctor"):
        monkeypatch.setattr(f"{module}.find_spec", lambda name: None)
    found = by_name(doctor.engines())
    assert "pip install 'icnet-ros[openvino]'" in found["openvino"].value
    assert "not sourced" in by_name(doctor.ros({}))["distribution"].value


def test_the_table_for_people(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["icnet", "doctor"])
    with pytest.raises(SystemExit):
        raise SystemExit(main())
    assert "shared memory" in (shown := capsys.readouterr().out)
    assert "icnet_street.safetensors" in "".join(shown.split("\n")).replace("│", "").replace(" ", "")


def test_a_missing_set_says_what_it_would_give(monkeypatch):
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name in ("torch", "scipy") else object())
    found = by_name(doctor.sets())
    assert found["run"].value == "installed: node, demo, segment, replay"
    assert not found["run"].hint
    assert found["train"].value.startswith("without torch, scipy: training")
    assert "icnet-ros[train]" in found["train"].hint
    assert "make build SETS=train" in found["train"].hint
    assert not any(finding.advice for finding in found.values())  # nothing is wrong


def test_the_sets_are_those_of_the_requirements_and_extras():
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    root = Path(__file__).parent.parent.parent
    locked = ""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    distributions = {"cv2": "opencv-python-headless"}
    for one in SETS:
        locked += (root / "requirements" / f"lock-jazzy-{one.name}.txt").read_text()
        extras = [line for extra in one.extra.split(",") for line in project["optional-dependencies"][extra]]
        declared = {re.split("[^a-z-]", line)[0] for line in (*project["dependencies"], *extras)}
        for module in one.modules:
            name = distributions.get(module, module.replace("_", "-"))
            assert name in declared
            assert name == "torch" or f"\n{name}==" in "\n" + locked  # torch.in


def test_no_hint_for_fast_dds_with_another_middleware():
    environment = {"ROS_DISTRO": "jazzy", "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}
    finding = by_name(doctor.ros(environment))["profile"]
    assert (finding.advice, finding.hint) == ("", "")


@pytest.mark.parametrize(("setting", "said"), [("", True), ("<SocketReceiveBufferSize min='4194304B'/>", False)])
def test_the_receive_buffer_of_cyclone_dds(tmp_path, setting, said):
    """2 of 40 images of 6 MB came with the default."""
    (package := tmp_path / "share" / "rmw_cyclonedds_cpp").mkdir(parents=True)
    (package / "package.xml").write_text("<package><version>4.1.5</version></package>")
    environment = {
        "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp", "AMENT_PREFIX_PATH": str(tmp_path), "CYCLONEDDS_URI": setting,
    }  # fmt: skip
    finding = by_name(doctor.ros(environment))["rmw_cyclonedds_cpp"]
    assert ("SocketReceiveBufferSize" in finding.hint) is said


@pytest.mark.parametrize(
    ("name", "version", "typed", "late"),
    [
        ("rmw_fastrtps_cpp", "8.4.4", False, False),  # Jazzy
        ("rmw_fastrtps_cpp", "9.4.7", True, True),
        ("rmw_fastrtps_cpp", "9.4.10", True, False),
        ("rmw_fastrtps_cpp", "9.5.0", False, False),
        ("rmw_cyclonedds_cpp", "9.4.7", False, False),
    ],
)
def test_the_middleware_is_named_with_what_its_version_lacks(tmp_path, name, version, typed, late):
    (package := tmp_path / "share" / name).mkdir(parents=True)
    (package / "package.xml").write_text(f"<package><name>{name}</name><version>{version}</version></package>")
    environment = {"RMW_IMPLEMENTATION": name, "AMENT_PREFIX_PATH": f"/none:{tmp_path}"}
    finding = by_name(doctor.ros(environment))[name]
    assert (finding.value, finding.advice) == (version, "")
    assert ("takes typed images" in finding.hint, "late joiners miss" in finding.hint) == (typed, late)


def test_opencv_of_the_system_is_found(monkeypatch):
    def no_wheels(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", no_wheels)
    assert by_name(doctor.packages())["opencv-python-headless"].value.startswith("4.")
