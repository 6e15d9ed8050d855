"""Recordings in packed files: limits, where they are unpacked to, and that nothing stays there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.storage import zstd_file
from icnet_ros.wire.storage.zstd_file import PREFIX, temporary_folder, unpack_file

CONTENT = bytes(1 << 20)


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def packed(path, *, declared=True, content=CONTENT):
    packer = zstandard.ZstdCompressor(write_content_size=declared)
    path.write_bytes(packer.compress(content) if declared else packer.compressobj().compress(b"") or b"")
    if not declared:
        stream = packer.compressobj()
        path.write_bytes(stream.compress(content) + stream.flush())
    return path


@pytest.mark.parametrize("declared", [True, False])
def test_a_limit(tmp_path, scratch, monkeypatch, declared):
    file = packed(tmp_path / "x.db3.zstd", declared=declared)
    with temporary_folder() as folder:
        unpacked, problem = unpack_file(file, folder)
        assert (unpacked.read_bytes(), problem, folder.parent) == (CONTENT, "", scratch)
        monkeypatch.setenv("ICNET_MAX_UNPACKED_GIB", "0.0005")
        with pytest.raises(WireError, match=r"unpacks to .*, the limit is 0\.0005 GiB; .* set ICNET_MAX_UNPACKED_GIB"):
            unpack_file(file, folder)
        monkeypatch.setenv("ICNET_MAX_UNPACKED_GIB", "much")
        with pytest.raises(WireError, match="takes a number of GiB"):
            unpack_file(file, folder)
    assert not list(scratch.iterdir())


def test_too_little_space(tmp_path, monkeypatch):
    usage = os.statvfs(tmp_path)
    monkeypatch.setattr(zstd_file.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with temporary_folder() as folder, pytest.raises(WireError, match="choose another folder with TMPDIR"):
        unpack_file(packed(tmp_path / "x.db3.zstd"), folder)
    assert usage


def test_what_a_killed_process_left_is_removed(scratch):
    script = "import os; print(os.getpid())"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    for process in (ended, os.getpid()):
        (scratch / f"{PREFIX}{process}_x").mkdir()
    with temporary_folder():
        pass
    assert [path.name for path in scratch.iterdir()] == [f"{PREFIX}{os.getpid()}_x"]


def test_the_folder_is_named_beforehand(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(zstd_file, "ANNOUNCED", 1000)
    with temporary_folder() as folder:
        unpack_file(packed(tmp_path / "x.db3.zstd"), folder)
        (line,) = [record.getMessage() for record in caplog.records]
    assert f"in {folder}, which is removed at the end" in line


def test_progress_of_what_takes_long(tmp_path, monkeypatch, caplog):
    times = iter([0.0, 1.0, 6.0, 20.0, 40.0, *range(100, 1000, 20)])
    monkeypatch.setattr(zstd_file, "monotonic", lambda: next(times))
    monkeypatch.setattr(zstd_file, "BLOCK", 1 << 18)
    with temporary_folder() as folder:
        unpack_file(packed(tmp_path / "x.db3.zstd"), folder)
        lines = [record.getMessage() for record in caplog.records]
        assert len(lines) == 2  # after 6 s and 40 s
        assert all("x.db3.zstd" in line and str(folder) in line and "removed at the end" in line for line in lines)
    assert Path(folder).exists() is False
