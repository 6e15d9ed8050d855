"""The segmentation node with all three: `python -m icnet_example --ros-args -p engine:=colours ...`."""

from icnet_example.cloud_picture import CloudPictureDecoder
from icnet_example.coverage import Coverage
from icnet_ros.engine.table import ENGINES, Entry
from icnet_ros.node.outputs.table import OUTPUTS
from icnet_ros.wire.cdr import POINT_CLOUD
from icnet_ros.wire.decoders.table import DECODERS

DECODERS[POINT_CLOUD, "cdr"] = CloudPictureDecoder
ENGINES["colours"] = Entry("icnet_example.colour_engine", "ColourEngine")
OUTPUTS["coverage"] = Coverage

if __name__ == "__main__":
    from icnet_ros.node.main import main

    raise SystemExit(main())
