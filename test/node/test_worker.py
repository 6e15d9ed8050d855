import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from icnet_ros.node.worker import Worker


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.0005, 0.002])), max_size=40))
def test_every_item_is_counted_once_and_order_is_kept(items):
    done = []

    def process(item):
        number, succeeds, pause = item
        time.sleep(pause)
        done.append(number)
        return succeeds

    worker = Worker(process)
    worker.start()
    for number, (succeeds, pause) in enumerate(items):
        worker.put((number, succeeds, pause))
        time.sleep(pause / 2)
    assert worker.stop(timeout=5)
    counters = worker.counters
    assert counters.received == len(items) == counters.processed + counters.dropped + counters.failed
    assert done == sorted(done)
    assert len(done) == counters.processed + counters.failed
    assert counters.failed == sum(not items[number][0] for number in done)


def test_the_latest_wins_while_one_is_in_hand():
    started, finish, done = threading.Event(), threading.Event(), []

    def process(item):
        started.set()
        finish.wait(5)
        done.append(item)
        return True

    worker = Worker(process)
    worker.start()
    assert worker.put("first") is False
    started.wait(5)
    assert [worker.put(item) for item in ("a", "b", "c")] == [False, True, True]
    finish.set()
    deadline = time.monotonic() + 5
    while len(done) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert worker.stop(5)
    assert done == ["first", "c"]
    assert vars(worker.counters) == {"received": 4, "processed": 2, "dropped": 2, "failed": 0}


def test_stop_finishes_the_item_in_hand_and_drops_the_waiting_one():
    started, done = threading.Event(), []

    def process(item):
        started.set()
        time.sleep(0.1)
        done.append(item)
        return True

    worker = Worker(process)
    worker.start()
    worker.put(1)
    started.wait(5)
    worker.put(2)
    assert worker.stop(5)
    assert done == [1]
    assert worker.counters.dropped == 1


def test_stop_says_when_the_item_in_hand_takes_too_long():
    release = threading.Event()
    worker = Worker(lambda _: release.wait(5))
    worker.start()
    worker.put(1)
    time.sleep(0.05)
    assert worker.stop(timeout=0.05) is False
    release.set()
    assert worker.stop(timeout=5)


def test_an_idle_worker_stops_at_once():
    worker = Worker(pytest.fail)
    worker.start()
    assert worker.stop(1)
