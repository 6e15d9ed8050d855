"""The parsers of everything that others give this package: seeds, what to call, and the errors that are answers."""

from recorded import (
    bag_files,
    camera_infos,
    clouds,
    compressed,
    depth_images,
    images,
    metadata_of,
    pictures,
    read_bag,
    read_camera_info,
    read_cloud,
    read_compressed,
    read_image,
    read_jpeg,
    read_picture_file,
)
from target import Target, in_file, text
from written import (
    CITYSCAPES,
    DATASET,
    INDEX,
    NET,
    PARAMETERS,
    checkpoints,
    published,
    read_dataset,
    read_net,
    read_parameters,
    read_recipe,
    read_report,
    reports,
    shipped,
    tiny_spec,
)

from icnet_ros.checkpoint.classes import ClassTableError, load_classes
from icnet_ros.checkpoint.file import load
from icnet_ros.checkpoint.groups import load_groups
from icnet_ros.checkpoint.model_index import read_index
from icnet_ros.checkpoint.published.convert import import_weights
from icnet_ros.checkpoint.spec import CheckpointError, ModelSpec
from icnet_ros.dataset.base import DatasetError
from icnet_ros.documents import DocumentError, parse_json, parse_yaml
from icnet_ros.evaluation.mapping import load_mapping
from icnet_ros.node.parameters import ParameterError
from icnet_ros.replay.errors import GroundTruthError
from icnet_ros.replay.ground_truth import read_mapping
from icnet_ros.report.errors import CompareError
from icnet_ros.training.errors import RecipeError
from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.cloud import decode_depth
from icnet_ros.wire.lidar import parse_transform

TARGETS: dict[str, Target] = {
    "Image": Target(images, read_image, (WireError,)),
    "CompressedImage": Target(compressed, read_compressed, (WireError,)),
    "JPEG and PNG": Target(pictures, read_picture_file, (WireError,)),
    "JPEG": Target(lambda: pictures()[:3], read_jpeg, (WireError,)),
    "depth": Target(depth_images, decode_depth, (WireError,)),
    "CameraInfo": Target(camera_infos, read_camera_info, (ValueError,)),
    "PointCloud2": Target(clouds, read_cloud, (WireError,)),
    "mcap": Target(lambda: bag_files("mcap"), in_file("x.mcap", read_bag), (WireError,)),
    "db3": Target(lambda: bag_files("db3"), in_file("x.db3", read_bag), (WireError,)),
    # rosbags asks for as many bytes as a record declares, and gives back what is not there.
    "ROS 1 bag": Target(lambda: bag_files("bag"), in_file("x.bag", read_bag), (WireError,), memory=False),
    "metadata.yaml": Target(lambda: bag_files("yaml"), in_file("metadata.yaml", metadata_of), (WireError,)),
    "YAML": Target(lambda: [NET, DATASET, INDEX], text(lambda t: parse_yaml(t, "x")), (DocumentError,)),
    "JSON": Target(reports, text(lambda t: parse_json(t, "x")), (DocumentError,)),
    "classes": Target(shipped("classes"), in_file("classes.yaml", load_classes), (ClassTableError,)),
    "groups": Target(
        shipped("groups"), in_file("groups.yaml", lambda p: load_groups(str(p), CITYSCAPES)), (ClassTableError,)
    ),
    "mapping": Target(shipped("mappings"), in_file("mapping.yaml", lambda p: load_mapping(str(p))), (DatasetError,)),
    "ids": Target(
        lambda: [b"7: road\n8: sidewalk\n9: car\n"],
        in_file("ids.yaml", lambda p: read_mapping(p, CITYSCAPES)),
        (GroundTruthError,),
    ),
    "recipe": Target(shipped("train"), in_file("recipe.yaml", read_recipe), (RecipeError,)),
    "dataset.yaml": Target(lambda: [DATASET], in_file("set.yaml", read_dataset), (DatasetError,)),
    "net.yaml": Target(lambda: [NET], in_file("net.yaml", read_net), (CheckpointError,)),
    "index.yaml": Target(lambda: [INDEX], text(lambda t: read_index(t, "x")), (CheckpointError,)),
    "report.json": Target(reports, in_file("report.json", read_report), (CompareError,)),
    "safetensors": Target(checkpoints, in_file("x.safetensors", load), (CheckpointError,)),
    "model header": Target(
        lambda: [tiny_spec().to_json().encode()],
        text(ModelSpec.from_json),
        (CheckpointError,),
    ),
    "published weights": Target(published, in_file("weights.bin", import_weights), (CheckpointError, ClassTableError)),
    "parameters": Target(lambda: [PARAMETERS], read_parameters, (ParameterError,)),
    "transform": Target(lambda: [b"0.1 0 1.5 0 0 0 1"], text(parse_transform), (ValueError,)),
}
