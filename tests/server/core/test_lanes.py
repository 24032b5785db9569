"""The order of creates, and how many there may be."""

from __future__ import annotations

from pyresponses_ws.server.core.errors import bad_request
from pyresponses_ws.server.core.lanes import Lane, LaneLimits, Lanes
from pyresponses_ws.server.core.request import CreateRequest, parse_create


def make_create(lane: Lane = None, text: str = "hi", *, size: int = 1) -> CreateRequest:
    """Make a create on a lane."""
    return parse_create({"model": "m", "input": text}, lane=lane, size=size)


def put(lanes: Lanes, *names: Lane) -> list[CreateRequest]:
    """Queue a create on each of these lanes, and return them."""
    requests = [make_create(name, f"number {number}") for number, name in enumerate(names)]
    for request in requests:
        lanes.put(request)
    return requests


def take_all(lanes: Lanes) -> list[CreateRequest]:
    """Start all that may start."""
    return list(iter(lanes.take, None))


def codes(lanes: Lanes) -> list[tuple[Lane, str | None, int]]:
    """Return the refusals that are due."""
    due = iter(lanes.take_refusal, None)
    return [(lane, error.code, times) for lane, error, times in due]


def test_a_lane_hands_out_one_create_at_a_time_in_order() -> None:
    """The next is there once the running one is released."""
    lanes = Lanes()
    first, second = put(lanes, "a", "a")
    assert take_all(lanes) == [first]
    lanes.release("a")
    assert take_all(lanes) == [second]


def test_lanes_are_independent() -> None:
    """A running lane holds no other up, the default one included."""
    lanes = Lanes()
    requests = put(lanes, "a", None, "b")
    assert take_all(lanes) == requests


def test_the_lane_that_waits_longest_goes_first() -> None:
    """Beyond the limit of running turns; a lane that has just run goes behind the others."""
    lanes = Lanes(LaneLimits(running=1))
    a, _, b, c = put(lanes, "a", "a", "b", "c")
    order = []
    for _ in range(3):
        (request,) = take_all(lanes)
        order.append(request)
        lanes.release(request.lane)
    assert order == [a, b, c]


def test_a_refusal_keeps_its_place_in_its_lane() -> None:
    """It is due when what was asked before it is over, and at once on an idle lane."""
    lanes = Lanes()
    put(lanes, "a")
    take_all(lanes)
    for lane in ("a", "b"):
        lanes.refuse(lane, bad_request("No.", code="no"))
    assert codes(lanes) == [("b", "no", 1)]
    lanes.release("a")
    assert codes(lanes) == [("a", "no", 1)]


def test_only_an_accepted_create_uses_a_name_up() -> None:
    """A refused one does not, the default lane never does, and a known name goes on working."""
    lanes = Lanes(LaneLimits(names=1))
    lanes.refuse("x", bad_request("No."))
    put(lanes, "a", None, "a", "b")
    assert codes(lanes) == [("x", None, 1), ("b", "websocket_stream_limit_reached", 1)]
    assert len(take_all(lanes)) == 2


def test_too_many_that_wait_are_refused_in_their_place() -> None:
    """The queue holds no more than its limit, however many more are asked for."""
    lanes = Lanes(LaneLimits(waiting=2))
    (running,) = put(lanes, "a")
    assert take_all(lanes) == [running]
    put(lanes, *["a"] * 1000)
    assert codes(lanes) == []
    assert len(lanes._queues["a"]) == 3
    for _ in range(2):
        lanes.release("a")
        assert len(take_all(lanes)) == 1
    lanes.release("a")
    assert codes(lanes) == [("a", "rate_limit_exceeded", 998)]


def test_malformed_creates_fill_the_queue_too() -> None:
    """What a peer makes us remember is bounded, whatever it sends."""
    lanes = Lanes(LaneLimits(waiting=2))
    put(lanes, "a")
    take_all(lanes)
    for number in range(1000):
        lanes.refuse("a", bad_request("No.", param=f"input[{number}]"))
    assert len(lanes._queues["a"]) == 3
    lanes.release("a")
    assert [times for _, _, times in codes(lanes)] == [1, 1, 998]


def test_creates_that_wait_are_bounded_in_size() -> None:
    """A few large ones are as much as many small ones."""
    lanes = Lanes(LaneLimits(waiting_size=10))
    for _ in range(3):
        lanes.put(make_create("a", size=8))
        take_all(lanes)
    lanes.release("a")
    assert len(take_all(lanes)) == 1
    lanes.release("a")
    assert codes(lanes) == [("a", "rate_limit_exceeded", 1)]


def test_what_need_not_wait_is_not_refused() -> None:
    """However much waits on other lanes, an idle lane and a free place are there to be used."""
    lanes = Lanes(LaneLimits(waiting=1, waiting_size=1))
    put(lanes, "a")
    take_all(lanes)
    put(lanes, "a", "a")
    lanes.put(make_create("b", size=100))
    assert [request.lane for request in take_all(lanes)] == ["b"]


def test_all_that_wait_can_be_refused() -> None:
    """The running ones go on; an idle lane's are due at once."""
    lanes = Lanes(LaneLimits(running=1))
    put(lanes, "a", "a", "b")
    take_all(lanes)
    lanes.refuse_all(bad_request("No.", code="no"))
    assert codes(lanes) == [("b", "no", 1)]
    lanes.release("a")
    assert codes(lanes) == [("a", "no", 1)]
    assert take_all(lanes) == []


def test_the_next_create_of_a_lane_can_be_seen() -> None:
    """Refusals ahead of it do not count; an idle lane has none."""
    lanes = Lanes()
    put(lanes, "a")
    take_all(lanes)
    lanes.refuse("a", bad_request("No."))
    (request,) = put(lanes, "a")
    assert (lanes.peek("a"), lanes.peek("b")) == (request, None)


def test_a_refusal_that_need_not_wait_keeps_its_reason() -> None:
    """However full the queues of other lanes are."""
    lanes = Lanes(LaneLimits(waiting=1))
    put(lanes, "a")
    take_all(lanes)
    put(lanes, "a")
    lanes.refuse("b", bad_request("No.", code="no"))
    assert codes(lanes) == [("b", "no", 1)]
