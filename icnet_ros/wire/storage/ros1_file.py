"""Reads the messages of a .bag file of ROS 1, as CDR."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rosbags.rosbag1 import Reader, ReaderError

from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.storage.payload import Payload, as_cdr
from icnet_ros.wire.topic import Message, Topic, sum_topics


class Ros1File:
    """A bag of ROS 1 with an index. Messages come in the order of their times."""

    def __init__(self, path: Path) -> None:
        """Raises WireError if it has no index, or nothing of it can be read."""
        self._path, self._reader = path, Reader(path)
        try:
            self._reader.open()
        except ReaderError as err:
            if "not indexed" not in str(err):
                raise
            raise WireError(f"a recording of ROS 1 that has no index: run `rosbag reindex {path.name}`") from err
        connections = self._reader.connections
        self._payloads: dict[int, Payload] = {one.id: as_cdr(one.msgtype, "ros1") for one in connections}
        self._topics: dict[int, Topic] = {}
        for one in connections:
            payload = self._payloads[one.id]
            self._topics[one.id] = Topic(one.topic, payload.kind, one.msgcount, payload.encoding)
        self.problems: list[str] = []

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def topics(self) -> list[Topic]:
        """See Storage."""
        return sum_topics(self._topics.values())

    def remarks(self, topic: Topic) -> list[str]:
        """See Storage."""
        return []

    def messages(self, topics: Sequence[Topic], start: int | None = None) -> Iterator[Message]:
        """See Storage."""
        names = {(topic.name, topic.kind) for topic in topics}
        wanted = [one for one in self._reader.connections if (one.topic, self._topics[one.id].kind) in names]
        if not wanted:
            return  # for rosbags an empty list means all
        try:
            for connection, recorded, content in self._reader.messages(wanted, start):
                data, problem = self._payloads[connection.id](content)
                yield Message(connection.topic, data, recorded, problem)
        except Exception as err:  # rosbags raises many exception types for corrupt files
            raise WireError(f"{self._path.name}: {type(err).__name__}: {err}: what follows is lost") from err
