import pytest

from icnet_ros.checkpoint.file import save
from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine


@pytest.fixture(scope="session")
def model(tmp_path_factory, tiny):
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save(path, tiny.spec, tiny.weights)
    return path


@pytest.fixture(scope="session")
def engine(tiny):
    return open_engine("torch", tiny, EngineOptions("cpu"))
