"""The cache folder stays within its limits; `icnet cache` shows and clears it."""

import logging
import os
import time

import numpy as np
import pytest

from icnet_ros.command.main import main
from icnet_ros.engine.artefacts import cache_entries
from icnet_ros.engine.artefacts.cache import cached_file
from icnet_ros.engine.artefacts.cache_entries import entries, limit_bytes, trim
from icnet_ros.engine.base import EngineError, EngineOptions, Frame


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ICNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ICNET_CACHE_MIB", raising=False)
    return tmp_path / "cache"


def build(number, mib=1):
    return cached_file("file", "onnx", {"number": str(number)}, lambda path: path.write_bytes(bytes(mib * 2**20)))


def age(path, hours):
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))


def run(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["icnet", *words])
    with pytest.raises(SystemExit) as stop:
        raise SystemExit(main())
    return stop.value.code


def test_the_size_is_bounded_and_the_least_recently_used_goes_first(folder, monkeypatch):
    monkeypatch.setenv("ICNET_CACHE_MIB", "4")
    paths = [build(number) for number in range(3)]
    for hours, path in zip((3, 2, 1), paths, strict=True):
        age(path, hours)
    build(0)  # used again: now number 1 is the oldest
    build(3)
    assert not paths[1].exists()
    assert not paths[1].with_suffix(".json").exists()
    assert all(path.exists() for path in (paths[0], paths[2]))
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= 4 * 2**20


def test_the_number_of_entries_is_bounded(monkeypatch):
    monkeypatch.setattr(cache_entries, "MAX_ENTRIES", 3)
    for number in range(6):
        age(build(number, mib=0), 10 - number)
    trim()
    assert len(entries()) == 3


def test_an_entry_larger_than_the_limit_is_still_usable(monkeypatch):
    monkeypatch.setenv("ICNET_CACHE_MIB", "1")
    assert build(0, mib=2).exists()


def test_compiled_openvino_networks_of_many_sizes_are_bounded(folder, monkeypatch, tiny):
    pytest.importorskip("openvino")
    from icnet_ros.engine.backends.openvino import OpenVinoEngine

    monkeypatch.setattr(cache_entries, "MAX_ENTRIES", 4)
    engine = OpenVinoEngine(tiny, EngineOptions(threads=1))
    for width in range(64, 64 + 8 * 6, 8):
        engine.segment([Frame(np.zeros((64, width, 3), np.uint8), "bgr")])
    engine.close()
    assert len(entries()) == 4
    assert len(list((folder / "openvino").iterdir())) <= 4
    newest = max((folder / "openvino").iterdir(), key=lambda path: path.stat().st_mtime)
    assert newest.name.endswith("-104")
    assert list(newest.glob("*.blob"))


def test_openvino_works_without_a_cache_folder(tmp_path, monkeypatch, tiny, caplog):
    pytest.importorskip("openvino")
    from icnet_ros.engine.backends.openvino import OpenVinoEngine

    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ICNET_CACHE", str(tmp_path / "file" / "cache"))
    engine = OpenVinoEngine(tiny, EngineOptions(threads=1))
    assert engine.segment([Frame(np.zeros((64, 64, 3), np.uint8))])[0].labels.shape == (64, 64)
    assert "set ICNET_CACHE to a writable folder" in caplog.text


@pytest.mark.usefixtures("folder")
def test_openvino_uses_what_a_read_only_cache_has(monkeypatch, tiny):
    pytest.importorskip("openvino")
    from icnet_ros.engine.backends import openvino

    frames = [Frame(np.zeros((64, 64, 3), np.uint8))]
    openvino.OpenVinoEngine(tiny, EngineOptions(threads=1)).segment(frames)
    monkeypatch.setattr(openvino, "writable_folder", lambda: pytest.fail("needs no writable folder"))
    engine = openvino.OpenVinoEngine(tiny, EngineOptions(threads=1))
    assert engine.segment(frames)[0].labels.shape == (64, 64)


def test_a_temporary_file_of_a_killed_process_is_removed_after_a_day(folder):
    folder.mkdir()
    for name, hours in ((".1.old.onnx", 25), (".2.new.onnx", 1)):
        (folder / name).write_bytes(b"half")
        age(folder / name, hours)
    trim()
    assert [path.name for path in folder.iterdir()] == [".2.new.onnx"]


def test_the_log_says_what_is_built_and_how_long_the_last_build_took(caplog):
    with caplog.at_level(logging.INFO):
        build(0)
        assert "building the file" in caplog.text
        assert "which may take a while" in caplog.text
        assert "built the file in" in caplog.text
        caplog.clear()
        build(1)
    assert "the last one took 0.0 s" in caplog.text


def test_a_limit_that_is_no_number_is_explained(monkeypatch):
    monkeypatch.setenv("ICNET_CACHE_MIB", "1 GB")
    with pytest.raises(EngineError, match="ICNET_CACHE_MIB is '1 GB'"):
        limit_bytes()


def test_the_command_lists_and_clears(folder, monkeypatch, capsys):
    name = build(0, mib=2).name
    blob = folder / "openvino" / "a-fp32-2-1-3-64-64" / "1.blob"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(bytes(2**20))
    assert not run(monkeypatch, "cache", "list")
    shown = capsys.readouterr().out
    assert "2 entries, 3.0 MiB; limit 1024 MiB" in shown
    assert name[:12] in shown
    assert not run(monkeypatch, "cache", "clear")
    assert "removed 2 entries, 3.0 MiB" in capsys.readouterr().out
    assert entries() == []
    assert not run(monkeypatch, "cache", "list")
    assert "0 entries, 0.0 MiB" in capsys.readouterr().out
