import pytest

from icnet_ros.checkpoint.file import save


@pytest.fixture(scope="session")
def model(tmp_path_factory, tiny):
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save(path, tiny.spec, tiny.weights)
    return path
