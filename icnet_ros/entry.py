"""Entry points of the command and the nodes: Ctrl-C while libraries are imported is one line and exit code 130."""

import os
import signal

INTERRUPTED = 130  # as a shell reports a program that SIGINT has ended


def _end(*_: object) -> None:
    """End at once: an exception would become another one inside the import of a C extension."""
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def _end_on_interrupt() -> bool:
    """Whether SIGINT ends the process now; not where it is ignored, as in a background job of a shell."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    signal.signal(signal.SIGINT, _end)
    return True


def icnet() -> int:
    """The command line."""
    ends = _end_on_interrupt()
    from icnet_ros.command.main import main

    if ends:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


def segmentation_node() -> int:
    """The segmentation node, which handles signals itself before it joins the graph."""
    _end_on_interrupt()
    from icnet_ros.node.main import main

    return main()


def evaluation_node() -> int:
    """The evaluation node, which handles signals itself before it joins the graph."""
    _end_on_interrupt()
    from icnet_ros.node.evaluator import main

    return main()
