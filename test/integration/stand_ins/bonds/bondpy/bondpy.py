"""As much of bondpy as a node uses: a heartbeat is a String, "ID alive", and the last one "ID dead"."""

import threading

from std_msgs.msg import String


class Bond:
    def __init__(self, node, topic, bond_id):
        self.id, self.is_shutdown = bond_id, False
        self.heartbeat_timeout, self.heartbeat_period = 4.0, 1.0
        self.pub = node.create_publisher(String, topic, 1)
        self.sub = None
        self._node, self._topic, self._ended = node, topic, threading.Event()

    def start(self):
        self.sub = self._node.create_subscription(String, self._topic, lambda _: None, 1)
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self):
        while not self._ended.wait(self.heartbeat_period):
            self.pub.publish(String(data=f"{self.id} alive"))

    def break_bond(self):
        if not self._ended.is_set():
            self._ended.set()
            self.pub.publish(String(data=f"{self.id} dead"))

    def shutdown(self):
        self.is_shutdown = True
        self.sub.destroy()
        self.break_bond()
        self.pub.destroy()
