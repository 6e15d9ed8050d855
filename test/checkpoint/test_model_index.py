"""Models by name: index, mirror, hashes."""

import functools
import hashlib
import http.server
import threading

import pytest
import yaml

from icnet_ros.checkpoint import model_index
from icnet_ros.checkpoint.default import load_model, model_path
from icnet_ros.checkpoint.file import save
from icnet_ros.checkpoint.spec import CheckpointError
from icnet_ros.command.main import main
from icnet_ros.share import share


@pytest.fixture
def mirror(tmp_path, tiny):
    """A folder with a model and its index."""
    folder = tmp_path / "mirror"
    save(folder / "mine.safetensors", tiny.spec, tiny.weights)
    (folder / "mine.sub4.int8.onnx").write_bytes(b"int8")
    (folder / "index.yaml").write_text(model_index.make_index(folder))
    return folder


@pytest.fixture(autouse=True)
def downloads(tmp_path, monkeypatch):
    monkeypatch.setenv("ICNET_MODELS", str(tmp_path / "downloads"))
    monkeypatch.delenv("ICNET_MODEL_MIRROR", raising=False)
    return tmp_path / "downloads"


def ignore(*_):
    """No progress display."""


def run(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["icnet", *map(str, words)])
    try:
        return main()
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize("over_http", [False, True])
def test_a_model_is_downloaded_and_found_by_name(mirror, downloads, tiny, over_http):
    place = str(mirror)
    if over_http:
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=place)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}/"
    path = model_index.pull("mine", place, downloads, ignore)
    assert path == model_path("mine") == downloads / "mine.safetensors"
    assert load_model("mine").spec == tiny.spec
    assert (downloads / "mine.sub4.int8.onnx").read_bytes() == b"int8"
    assert sorted(file.name for file in downloads.iterdir()) == ["mine.safetensors", "mine.sub4.int8.onnx"]
    if over_http:
        server.shutdown()
        server.server_close()


def test_what_is_there_is_not_fetched_again(mirror, downloads):
    model_index.pull("mine", str(mirror), downloads, ignore)
    for file in mirror.glob("mine*"):
        file.unlink()
    assert model_index.pull("mine", str(mirror), downloads, ignore).is_file()


@pytest.mark.parametrize("damage", [lambda c: c[:-1] + b"?", lambda c: c + b"more", lambda c: c[:100]])
def test_a_file_with_another_content_is_not_kept(mirror, downloads, damage):
    file = mirror / "mine.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CheckpointError, match=r"hash differs|larger than"):
        model_index.pull("mine", str(mirror), downloads, ignore)
    assert list(downloads.iterdir()) == []


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("[", "not an index"),
        ("models: 3", "not an index"),
        ("models: {a: {}}", "not an index"),
        ("models: {a: {files: []}}", "has no files"),
        ("models: {a: {files: [{name: ../x, bytes: 1, sha256: 0}]}}", "not the name of a file"),
        ("models: {a: {files: [{name: /etc/x, bytes: 1, sha256: 0}]}}", "not the name of a file"),
        ("models: {b: {files: [{name: b, bytes: 1, sha256: 0}]}}", "no model 'mine'"),
    ],
)
def test_a_damaged_index(mirror, downloads, index, message):
    (mirror / "index.yaml").write_text(index)
    with pytest.raises(CheckpointError, match=message):
        model_index.pull("mine", str(mirror), downloads, ignore)


def test_errors_say_what_to_do(mirror, downloads):
    with pytest.raises(CheckpointError, match="ICNET_MODEL_MIRROR"):
        model_index.pull("mine", "", downloads, ignore)
    with pytest.raises(CheckpointError, match="cannot be read"):
        model_index.pull("mine", str(mirror / "other"), downloads, ignore)
    with pytest.raises(CheckpointError, match="icnet model list"):
        model_path("unknown")


def test_a_model_of_the_shipped_index_must_have_its_hashes(mirror, downloads):
    shipped = model_index.shipped_index()
    name = next(iter(shipped))
    (mirror / shipped[name].files[0].name).write_bytes(b"another file")
    with pytest.raises(CheckpointError, match=r"hash differs|larger than"):
        model_index.pull(name, str(mirror), downloads, ignore)


def test_the_shipped_index_lists_the_shipped_files():
    folder = share("models")
    assert yaml.safe_load((folder / "index.yaml").read_text()) == yaml.safe_load(model_index.make_index(folder))


def test_the_commands(monkeypatch, mirror, capsys):
    (mirror / "index.yaml").unlink()
    assert run(monkeypatch, "model", "index", mirror) == 0
    assert run(monkeypatch, "model", "pull", "mine", "--mirror", mirror) == 0
    assert run(monkeypatch, "model", "list") == 0
    shown = "".join(capsys.readouterr().out.split())
    assert "mine" in shown
    assert "icnet_street" in shown
    assert run(monkeypatch, "info", "mine", "--json") == 0


def index_of(mirror, name, *files):
    """An index with one model whose files lie in the mirror."""
    listed = [
        {"name": file, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for file, content in ((file, (mirror / file).read_bytes()) for file in files)
    ]
    (mirror / "index.yaml").write_text(yaml.safe_dump({"models": {name: {"files": listed}}}))


def test_a_model_is_found_under_its_name_and_not_that_of_its_file(mirror, downloads):
    index_of(mirror, "yours", "mine.safetensors", "mine.sub4.int8.onnx")
    path = model_index.pull("yours", str(mirror), downloads, ignore)
    assert path == model_path("yours") == downloads / "yours.safetensors"
    assert sorted(file.name for file in downloads.iterdir()) == ["yours.safetensors", "yours.sub4.int8.onnx"]
    (mirror / "other.onnx").write_bytes(b"x")
    index_of(mirror, "yours", "mine.safetensors", "other.onnx")
    with pytest.raises(CheckpointError, match=r"other\.onnx is no file of mine\.safetensors"):
        model_index.pull("yours", str(mirror), downloads, ignore)


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 200, "esc\x1b[2J"])
def test_names_that_are_no_names_of_files(mirror, downloads, name):
    index_of(mirror, name, "mine.safetensors")
    with pytest.raises(CheckpointError, match=r"is not the name of a model|is not allowed"):
        model_index.pull(name, str(mirror), downloads, ignore)
    assert not downloads.exists()


@pytest.mark.parametrize(
    "text",
    ["models: {a: &a {files: [*a]}}", "models: {true: 1}", "models: {a: 1, a: 2}", "[" * 2000, "models: {a: \0}"],
)
def test_an_index_is_read_with_limits(mirror, downloads, text):
    (mirror / "index.yaml").write_text(text)
    with pytest.raises(CheckpointError, match=r"not an index of models: .*index\.yaml, line 1: "):
        model_index.pull("a", str(mirror), downloads, ignore)


def test_what_a_killed_pull_left_is_removed(mirror, downloads):
    downloads.mkdir()
    (downloads / ".mine.safetensors.part").write_bytes(b"half of it")
    (downloads / ".gone.safetensors.part").write_bytes(b"half of another")
    model_index.pull("mine", str(mirror), downloads, ignore)
    assert sorted(file.name for file in downloads.iterdir()) == ["mine.safetensors", "mine.sub4.int8.onnx"]


def test_two_pulls_of_one_model_at_once(mirror, downloads):
    def pull_again(*_):
        with pytest.raises(CheckpointError, match="another process downloads it"):
            model_index.pull("mine", str(mirror), downloads, ignore)

    model_index.pull("mine", str(mirror), downloads, pull_again)
    assert model_path("mine").is_file()


class Redirecting(http.server.BaseHTTPRequestHandler):
    target = ""

    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", self.target)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_redirects_only_to_the_web(downloads, target):
    handler = type("Handler", (Redirecting,), {"target": target})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(CheckpointError, match=f"(redirects to|Redirection to url) '{target}"):
            model_index.pull("mine", f"http://127.0.0.1:{server.server_port}", downloads, ignore)
        server.shutdown()
