"""Exit codes of the node's process; the launch file starts it again after others than 0 and CONFIGURATION_ERROR."""

DEFECT = 1  # an exception that nobody expected
CONFIGURATION_ERROR = 2  # a parameter, the checkpoint or the engine cannot be used: starting again would not help
