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

    def process(items):
        number, succeeds, pause = items[""]
        time.sleep(pause)
        done.append(number)
        return items if succeeds else ()

    worker = Worker(process)
    worker.start()
    for number, (succeeds, pause) in enumerate(items):
        worker.put("", (number, succeeds, pause))
        time.sleep(pause / 2)
    assert worker.stop(timeout=5)
    counters = worker.counters[""]
    assert counters.received == len(items) == counters.processed + counters.dropped + counters.failed
    assert done == sorted(done)
    assert len(done) == counters.processed + counters.failed
    assert counters.failed == sum(not items[number][0] for number in done)


def test_the_latest_wins_while_one_is_in_hand():
    started, finish, done = threading.Event(), threading.Event(), []

    def process(items):
        started.set()
        finish.wait(5)
        done.append(items[""])
        return items

    worker = Worker(process)
    worker.start()
    assert worker.put("", "first") is False
    started.wait(5)
    assert [worker.put("", item) for item in ("a", "b", "c")] == [False, True, True]
    finish.set()
    deadline = time.monotonic() + 5
    while len(done) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert worker.stop(5)
    assert done == ["first", "c"]
    counted = {"received": 4, "processed": 2, "dropped": 2, "failed": 0, "skipped": 0, "damaged": 0}
    assert vars(worker.counters[""]) == counted


def test_stop_finishes_the_item_in_hand_and_drops_the_waiting_one():
    started, done = threading.Event(), []

    def process(items):
        started.set()
        time.sleep(0.1)
        done.append(items[""])
        return items

    worker = Worker(process)
    worker.start()
    worker.put("", 1)
    started.wait(5)
    worker.put("", 2)
    assert worker.stop(5)
    assert done == [1]
    assert worker.counters[""].dropped == 1


def test_stop_says_when_the_item_in_hand_takes_too_long():
    release = threading.Event()
    worker = Worker(lambda _: release.wait(5) and ())
    worker.start()
    worker.put("", 1)
    time.sleep(0.05)
    assert worker.stop(timeout=0.05) is False
    release.set()
    assert worker.stop(timeout=5)


def test_an_idle_worker_stops_at_once():
    worker = Worker(pytest.fail)
    worker.start()
    assert worker.stop(1)


def test_sources_take_turns_and_lose_nothing_to_each_other():
    served, busy = [], threading.Event()

    def process(items):
        busy.wait(5)
        served.extend(items)
        time.sleep(0.002)
        return items

    names = ["front", "left", "rear"]
    worker = Worker(process, names)
    worker.start()
    for round_ in range(20):
        for name in names * (1 + 3 * (round_ % 2)):  # in every other round one pushes often
            worker.put(name, round_)
    busy.set()
    deadline = time.monotonic() + 5
    while len(served) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    for number in range(30):
        for name in names:
            worker.put(name, number)
        worker.put("left", number)
        time.sleep(0.004)
    assert worker.stop(5)
    counts = {name: served.count(name) for name in names}
    assert max(counts.values()) - min(counts.values()) <= 2, counts
    for name, counters in worker.counters.items():
        assert counters.processed == counts[name]
        assert counters.received == counters.processed + counters.dropped


def test_what_comes_within_the_window_is_one_batch_of_which_each_may_fail_alone():
    batches = []

    def process(items):
        batches.append(dict(items))
        return [name for name, item in items.items() if item != "bad"]

    def wait_for(count):
        deadline = time.monotonic() + 4
        while len(batches) < count and time.monotonic() < deadline:
            time.sleep(0.001)

    worker = Worker(process, ["front", "left"], window=lambda: 5.0)
    worker.start()
    worker.put("left", "good")  # alone: nothing has come from the other yet
    wait_for(1)
    worker.put("front", "good")
    time.sleep(0.02)
    worker.put("left", "bad")
    wait_for(2)
    assert worker.stop(5)
    assert batches == [{"left": "good"}, {"front": "good", "left": "bad"}]
    assert (worker.counters["front"].processed, worker.counters["left"].failed) == (1, 1)


def test_a_source_that_became_silent_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("icnet_ros.node.worker.SILENT_S", 0.05)
    batches = []
    worker = Worker(lambda items: batches.append(set(items)) or items, ["front", "left"], window=lambda: 30.0)
    worker.start()
    worker.put("left", 1)
    time.sleep(0.1)
    started = time.monotonic()
    worker.put("front", 1)
    while len(batches) < 2 and time.monotonic() < started + 5:
        time.sleep(0.001)
    assert time.monotonic() - started < 4
    assert worker.stop(5)
    assert batches == [{"left"}, {"front"}]


def test_the_window_ends_without_the_others():
    batches = []
    worker = Worker(lambda items: batches.append(set(items)) or items, ["front", "left"], window=lambda: 0.01)
    worker.start()
    worker.put("left", 1)
    deadline = time.monotonic() + 5
    while not batches and time.monotonic() < deadline:
        time.sleep(0.001)
    assert worker.stop(5)
    assert batches == [{"left"}]
