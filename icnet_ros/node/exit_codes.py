"""Exit codes of the node's process; the launch file starts it again after others than 0 and CONFIGURATION_ERROR."""

from icnet_ros.interrupt import INTERRUPTED

DEFECT = 1  # an exception that nobody expected
CONFIGURATION_ERROR = 2  # a parameter, the checkpoint or the engine cannot be used: starting again would not help

MEANINGS = {
    0: "ended by SIGINT or SIGTERM, after the current frame; or `build_only` has built its files",
    DEFECT: "a defect: an exception that nobody expected; the log has its traceback. Launch starts the node again",
    CONFIGURATION_ERROR: "a parameter, the checkpoint or the engine cannot be used; the log says which, and what to do",
    INTERRUPTED: "Ctrl-C before the node had joined the graph",
}
