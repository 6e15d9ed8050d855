"""Entry points of the command and the nodes: a process can be interrupted before its libraries are imported."""

import signal

from icnet_ros.interrupt import end_on_interrupt


def icnet() -> int:
    """The command line."""
    ends = end_on_interrupt()
    from icnet_ros.command.main import main

    if ends:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


def segmentation_node() -> int:
    """The segmentation node, which handles signals itself before it joins the graph."""
    end_on_interrupt()
    from icnet_ros.node.main import main

    return main()


def evaluation_node() -> int:
    """The evaluation node, which handles signals itself before it joins the graph."""
    end_on_interrupt()
    from icnet_ros.node.evaluator import main

    return main()
