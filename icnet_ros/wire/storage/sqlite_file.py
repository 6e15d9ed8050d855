"""Reads the messages of a .db3 file of rosbag2, from its tables; message definitions in it are not needed."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from icnet_ros.wire.cdr import WireError
from icnet_ros.wire.storage.payload import Payload, as_cdr
from icnet_ros.wire.topic import Message, Topic, sum_topics


class SqliteFile:
    """A database with the tables `topics` and `messages`. Messages come in the order of their times."""

    def __init__(self, path: Path) -> None:
        """Raises WireError if nothing of it can be read."""
        self._path = path
        # What a recorder has not merged yet lies in a second file, which an immutable database would leave out.
        pending = path.with_name(f"{path.name}-wal")
        mode = "mode=ro" if pending.exists() and pending.stat().st_size else "mode=ro&immutable=1"
        self._database = sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True, check_same_thread=False)
        self._database.text_factory = lambda text: text.decode(errors="replace")
        self._payloads: dict[int, Payload] = {}
        self._topics: dict[int, Topic] = {}
        self._problem = ""
        try:
            rows = self._database.execute("SELECT id, name, type, serialization_format FROM topics").fetchall()
        except sqlite3.Error as err:
            self.close()
            if pending.exists() and "unable to open" in str(err):
                raise WireError(
                    f"{err}: with {pending.name} beside it, SQLite has to write into the folder; copy the bag to one "
                    "where it can"
                ) from err
            raise WireError(f"not a database of rosbag2: {err}") from err
        counts = self._counts()
        for number, name, kind, encoding in rows:
            self._payloads[number] = as_cdr(str(kind), str(encoding))
            self._topics[number] = Topic(
                str(name), self._payloads[number].kind, counts.get(number, 0), self._payloads[number].encoding
            )
        self.problems = [self._problem] if self._problem else []

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def topics(self) -> list[Topic]:
        """See Storage."""
        return sum_topics(self._topics.values())

    def remarks(self, topic: Topic) -> list[str]:
        """See Storage."""
        return []

    def messages(self, topics: Sequence[Topic], start: int | None = None) -> Iterator[Message]:
        """See Storage."""
        names = {(topic.name, topic.kind) for topic in topics}
        wanted = {number: topic.name for number, topic in self._topics.items() if (topic.name, topic.kind) in names}
        problems = [self._problem] if self._problem else []
        order = "" if self._problem else "ORDER BY timestamp, id"  # the order needs an index, which may be damaged
        places = ",".join("?" * len(wanted))
        query = f"SELECT id, topic_id, timestamp FROM messages WHERE topic_id IN ({places}) AND timestamp >= ? {order}"  # noqa: S608  of question marks
        found: list[tuple[int, int, int]] = []
        with closing(self._database.execute(query, (*wanted, -(2**63) if start is None else start))) as rows:
            try:
                found.extend(rows)
            except sqlite3.Error as err:
                problems.append(f"{self._path.name}: {err}: what follows is lost")
        lost = 0
        for number, topic, time in found:
            content = self._content(number)
            if content is None:
                lost += 1
                continue
            data, problem = self._payloads[topic](content)
            yield Message(wanted[topic], data, time, problem)
        if lost:
            problems.append(f"{self._path.name}: {lost} messages cannot be read from the database")
        if problems:
            raise WireError("; ".join(dict.fromkeys(problems)))

    def _content(self, number: int) -> bytes | None:
        try:
            ((content,),) = self._database.execute("SELECT data FROM messages WHERE id = ?", (number,)).fetchall()
        except (sqlite3.Error, ValueError):
            return None
        return content if isinstance(content, bytes) else None

    def _counts(self) -> dict[int, int]:
        """Messages by topic. Sets the problem if the database is damaged."""
        counts: dict[int, int] = {}
        try:
            counts.update(self._database.execute("SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id"))
        except sqlite3.Error as err:
            self._problem = f"{self._path.name}: {err}: what follows is lost"
            counts.clear()
            try:
                for (topic,) in self._database.execute("SELECT topic_id FROM messages"):
                    counts[topic] = counts.get(topic, 0) + 1
            except sqlite3.Error:
                pass  # as above
        return counts
