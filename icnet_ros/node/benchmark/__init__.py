"""Measurements of a running node, each a process of its own: `python -m icnet_ros.node.benchmark NAME OPTIONS`.

`icnet benchmark` starts them. OPTIONS are JSON; the last line of the output is the result, JSON as well.
"""
