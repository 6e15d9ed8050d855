import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from icnet_ros.node.parameter import ParameterError
from icnet_ros.node.parameters import Parameters, by_name, parse, to_markdown, to_yaml
from icnet_ros.share import share

ROOT = Path(__file__).parents[2]


def test_the_shipped_file_is_made_from_the_dataclass():
    assert share("config", "segmentation.yaml").read_text() == to_yaml()


def test_the_shipped_file_holds_every_default():
    loaded = yaml.safe_load(to_yaml())["/**/icnet"]["ros__parameters"]
    assert Parameters(**loaded) == Parameters()
    assert list(loaded) == list(by_name())


def test_the_table_of_the_docs_is_made_from_the_dataclass():
    assert to_markdown() in (ROOT / "docs" / "parameters.md").read_text()


def test_every_parameter_is_described():
    assert [name for name, entry in by_name().items() if not entry.metadata["description"].endswith(".")] == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"engine": "abacus"}, r"engine is 'abacus'; it takes one of auto, torch"),
        ({"overlay_alpha": 1.5}, r"overlay_alpha is 1\.5; it takes 0 to 1"),
        ({"overlay_alpha": float("nan")}, "overlay_alpha is nan"),
        ({"jpeg_quality": 0}, "jpeg_quality is 0; it takes 1 to 100"),
        ({"jpeg_quality": 90.0}, "a float; it takes a int"),
        ({"autostart": 1}, "a int; it takes a bool"),
        ({"cameras": ()}, "at least one name"),
        ({"cameras": []}, "at least one name"),
        ({"cameras": None}, "cameras is None, a NoneType; it takes a tuple"),
        ({"score_classes": None}, "score_classes is None"),
        ({"cameras": ("a", "a")}, "each once"),
        ({"cameras": ("a", "")}, "begins with a letter"),
    ],
)
def test_a_bad_value_is_refused_with_the_reason(change, problem):
    with pytest.raises(ParameterError, match=problem):
        replace(Parameters(), **change)


@pytest.mark.ros
def test_the_node_imports_without_torch():
    code = "import sys; import icnet_ros.node.segmentation; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lazy", "True", True),
        ("threads", "2", 2),
        ("latency_budget_ms", "5", 5.0),
        ("exit", "sub24", "sub24"),
        ("cameras", "front, left", ("front", "left")),
    ],
)
def test_launch_arguments_have_the_type_of_the_parameter(name, text, value):
    assert parse(name, text) == value
    assert type(parse(name, text)) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [("lazy", "yes"), ("threads", "two"), ("threads", "-1"), ("overlay_alpha", "nan"), ("exit", "sub8")],
)
def test_launch_arguments_that_the_node_would_refuse_are_refused(name, text):
    with pytest.raises(ParameterError, match=name):
        parse(name, text)


def test_no_score_classes_are_all():
    assert Parameters(score_classes=[]) == Parameters(score_classes=()) == Parameters(score_classes=("",))


def test_one_input_size_at_a_time():
    assert Parameters(input_rows=384).input_rows == 384
    with pytest.raises(ParameterError, match="cloud_transform is that of one camera"):
        Parameters(cameras=("front", "left"), cloud_transform="0 0 0 0 0 0 1")
    with pytest.raises(ParameterError, match="input_scale and input_rows exclude each other"):
        Parameters(input_rows=384, input_scale=0.5)
