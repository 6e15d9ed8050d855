"""CMakeLists.txt with stand-ins for ament and rosidl: what a real one installs must start on any distribution.

rosidl installs an empty icnet_ros/__init__.py for the messages: up to Kilted where `rosidl_generate_interfaces` is
called, from Lyrical on in `ament_package`, after the package's own files (ament_cmake_python 2.8.7).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from icnet_ros.version import __version__

ROOT = Path(__file__).parent.parent
AMENT = """
set(PYTHON_INSTALL_DIR "lib/python")
function(ament_export_dependencies)
endfunction()
function(install_messages)
  file(WRITE "${CMAKE_BINARY_DIR}/messages/icnet_ros/__init__.py" "")
  file(WRITE "${CMAKE_BINARY_DIR}/messages/icnet_ros/msg/__init__.py" "")
  install(DIRECTORY "${CMAKE_BINARY_DIR}/messages/" DESTINATION "${PYTHON_INSTALL_DIR}")
endfunction()
function(rosidl_generate_interfaces)
  if(NOT LATE)
    install_messages()
  endif()
endfunction()
function(ament_package)
  if(LATE)
    install_messages()
  endif()
endfunction()
"""


def installed(tmp_path: Path, *settings: str) -> Path:
    """Prefix into which the package is installed from a copy of the sources; again if it was before."""
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    source, build, prefix = tmp_path / "source", tmp_path / "build", tmp_path / "installed"
    if not source.exists():
        for package in ("ament_cmake", "ament_cmake_python", "rosidl_default_generators", "std_msgs"):
            folder = tmp_path / "prefix" / "share" / package / "cmake"
            folder.mkdir(parents=True)
            (folder / f"{package}Config.cmake").write_text(AMENT if package == "ament_cmake" else "")
        source.mkdir()
        shutil.copy(ROOT / "CMakeLists.txt", source)
        for folder in ("icnet_ros", "scripts"):
            shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
        for folder in ("config", "demo", "launch", "models"):
            (source / folder).mkdir()
    places = f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}", f"-DCMAKE_INSTALL_PREFIX={prefix}"
    for words in (
        ("-S", source, "-B", build, "-DBUILD_TESTING=OFF", *places, *(f"-D{one}" for one in settings)),
        ("--install", build),
    ):
        done = subprocess.run(["cmake", *map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return prefix


def version(prefix: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, (prefix / "lib" / "python", *filter(None, sys.path[1:]))))
    command = [sys.executable, str(prefix / "lib" / "icnet_ros" / "icnet"), "--version"]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("late", [False, True])
def test_the_package_starts_whatever_is_installed_last(tmp_path, late):
    prefix = installed(tmp_path, f"LATE={late:d}")
    done = version(prefix, tmp_path)
    assert (done.returncode, done.stdout) == (0, f"icnet_ros {__version__}\n"), done.stderr
    init = (prefix / "lib" / "python" / "icnet_ros" / "__init__.py").read_text()
    assert bool(init) is not late  # the stand-in does what it is for


def test_a_symlink_install_has_a_link_for_each_file_and_sees_new_ones(tmp_path):
    installed(tmp_path)
    source, prefix = tmp_path / "source" / "icnet_ros", installed(tmp_path, "AMENT_CMAKE_SYMLINK_INSTALL=1")
    package = prefix / "lib" / "python" / "icnet_ros"
    assert (package / "wire" / "image.py").resolve() == source / "wire" / "image.py"
    assert not any(path.is_symlink() for path in (package, package / "wire")), "another version would write through it"
    shutil.rmtree(package / "wire")
    (package / "wire").symlink_to(source / "wire")  # as another version may have left it
    shutil.rmtree(prefix / "share" / "icnet_ros" / "config", ignore_errors=True)
    (prefix / "share" / "icnet_ros").mkdir(parents=True, exist_ok=True)
    (prefix / "share" / "icnet_ros" / "config").symlink_to(source.parent / "config")
    (source.parent / "config" / "classes").mkdir()
    (source.parent / "config" / "classes" / "two.yaml").write_text("name: two")
    (source / "wire" / "__pycache__").mkdir()
    for name in ("top.py", "wire/new.py", "wire/__pycache__/new.pyc"):
        (source / name).write_text("")
    (source / "files.py").rename(source / "renamed.py")
    build = subprocess.run(["cmake", "--install", tmp_path / "build"], capture_output=True, text=True, check=False)
    assert build.returncode == 0, build.stderr  # without configuring again, as colcon does it
    there = {
        name: (package / name).exists() for name in ("top.py", "renamed.py", "wire/new.py", "wire/__pycache__/new.pyc")
    }
    assert there == {"top.py": True, "renamed.py": True, "wire/new.py": True, "wire/__pycache__/new.pyc": False}
    assert not (source / "wire" / "image.py").is_symlink()
    assert (source.parent / "config" / "classes" / "two.yaml").read_text() == "name: two"
    assert (prefix / "share" / "icnet_ros" / "config" / "classes" / "two.yaml").read_text() == "name: two"
    (source / "renamed.py").rename(source / "files.py")
    assert version(prefix, tmp_path).stdout == f"icnet_ros {__version__}\n"


@pytest.mark.parametrize("script", ["icnet", "segmentation_node", "evaluation_node"])
def test_a_process_that_imports_the_script_does_not_run_it(script):
    """As multiprocessing does under spawn and forkserver, the default since Python 3.14."""
    code = (
        f"import runpy; runpy.run_path({str(ROOT / 'scripts' / script)!r}, run_name='__mp_main__'); print('imported')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "imported"), done.stderr
