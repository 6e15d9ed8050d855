"""ICNet (Zhao et al., ECCV 2018) for ROS 2: real-time semantic segmentation of camera images."""

from pkgutil import extend_path

# `icnet_ros.msg` is generated and lives where colcon installed it; this code may live elsewhere on
# sys.path (a checkout, site-packages after `pip install`). Both are one package. The generator installs an
# empty file of this name, on some distributions over this one: therefore nothing else belongs here.
__path__ = extend_path(__path__, __name__)
