"""Several turns at once on one model: who waits, who stops, and when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from pyresponses_ws.server.engines.base import CancelToken, Delta, StartDelta, TextDelta
from pyresponses_ws.server.engines.transformers.engine import TransformersEngine
from tests.server.engines.transformers.local_models import END, ScriptedModel, ask, make_engine
from tests.support.deadlines import ends_within

#: More tokens than any of these turns makes before it is stopped.
MANY = 100_000
#: Deltas that the model may be ahead of its turn, and the one for which it waits.
AHEAD = 8


class Turn:
    """A turn whose deltas a thread takes to the end."""

    def __init__(self, engine: TransformersEngine, text: str = "Say hello", /, **fields: object):
        self.cancel = CancelToken()
        self.deltas: list[Delta] = []
        #: Set with each delta.
        self.taken = threading.Semaphore(0)
        self._pool = ThreadPoolExecutor(1)
        self._run = engine.run(ask(text, **fields), self.cancel)
        self._done = self._pool.submit(self._take)

    def _take(self) -> None:
        for delta in self._run:
            self.deltas.append(delta)
            self.taken.release()

    def wait_for(self, deltas: int) -> None:
        for _ in range(deltas):
            assert self.taken.acquire(timeout=10)

    def end(self) -> list[Delta]:
        """Return all deltas, once the turn is over."""
        self._done.result(timeout=10)
        self._pool.shutdown()
        return self.deltas


class Stage:
    """A model, its engine and its turns, which are over when the test is."""

    def __init__(self) -> None:
        self.model = ScriptedModel(["word "], default_length=MANY, context_length=None)
        self.engine = make_engine(self.model)
        self.turns: list[Turn] = []

    def begin(self, text: str = "Say hello", /, **fields: object) -> Turn:
        turn = Turn(self.engine, text, **fields)
        self.turns.append(turn)
        return turn

    def begin_inside(self, text: str = "Say hello", /, **fields: object) -> Turn:
        """Begin a turn, and wait until the model works for it."""
        turn = self.begin(text, **fields)
        assert text in self.model.begun.get(timeout=10)
        return turn


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    for turn in stage.turns:
        turn.cancel.cancel()
    stage.model.allow(MANY)
    for turn in stage.turns:
        turn.end()
    assert generating() == []


def generating() -> list[str]:
    """Return the threads that generate."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("pyresponses-generate-")]


def until(is_so: Callable[[], bool]) -> None:
    """Wait for a state that nothing tells of."""
    waited = threading.Event()
    while not is_so():
        waited.wait(0.001)


def test_turns_share_the_model(stage: Stage) -> None:
    """None waits for another."""
    stage.model.is_paced = True
    stage.begin_inside("one")
    stage.begin_inside("two")
    stage.begin_inside("three")
    assert stage.model.inside == 3


def test_a_cancel_lets_one_more_token_be_made(stage: Stage) -> None:
    """The one that was under way."""
    stage.model.is_paced = True
    turn = stage.begin_inside()
    stage.model.allow(3)
    turn.wait_for(4)
    turn.cancel.cancel()
    stage.model.allow(MANY)
    assert turn.end() == [StartDelta(), TextDelta("word"), TextDelta(" word"), TextDelta(" word")]
    assert stage.model.made == 4


def test_a_cancel_at_full_speed_lets_one_more_token_be_made(stage: Stage) -> None:
    """Whatever the thread is at when it comes, twenty times."""
    for _ in range(20):
        turn = stage.begin_inside()
        turn.wait_for(5)
        turn.cancel.cancel()
        made = stage.model.made
        turn.end()
        assert stage.model.made <= made + 1


def test_a_cancel_stops_its_turn_alone(stage: Stage) -> None:
    """The others go on."""
    turns = [stage.begin_inside(text) for text in ("one", "two", "three")]
    turns[1].cancel.cancel()
    turns[1].end()
    for turn in (turns[0], turns[2]):
        seen = len(turn.deltas)
        until(lambda turn=turn, seen=seen: len(turn.deltas) > seen + 50)
    assert stage.model.inside == 2


def test_a_cancelled_turn_says_no_more(stage: Stage) -> None:
    """Not even what it cost."""
    turn = stage.begin_inside()
    turn.wait_for(3)
    turn.cancel.cancel()
    assert all(isinstance(delta, StartDelta | TextDelta) for delta in turn.end())


def test_a_turn_cancelled_ahead_of_its_run_makes_nothing(stage: Stage) -> None:
    """Nobody waits for it; it is not even read."""
    cancel = CancelToken()
    cancel.cancel()
    assert list(stage.engine.run(ask(), cancel)) == []
    assert stage.model.encoded == 0


def test_a_turn_cancelled_while_it_is_read_makes_nothing(stage: Stage) -> None:
    """A long prompt takes its time."""
    cancel = CancelToken()
    stage.model.on_encode = cancel.cancel
    assert list(stage.engine.run(ask(), cancel)) == []
    assert stage.model.made == 0


def test_the_end_of_the_process_stops_what_runs(stage: Stage) -> None:
    """An interpreter that ends under a thread inside torch aborts."""
    turn = stage.begin()
    turn.wait_for(2)
    stage.engine._running.end()
    assert not generating()
    assert len(turn.end()) < MANY


def test_the_end_of_the_process_waits_a_second_at_most(stage: Stage) -> None:
    """A model that hangs is left to its fate."""
    stage.model.is_paced = True
    stage.begin_inside("hung")
    with ends_within(1.0):
        stage.engine._running.end()
    stage.model.allow()


def test_nothing_is_generated_once_the_process_ends(stage: Stage) -> None:
    """A turn that was being read then is stopped as it begins."""
    stage.engine._running.end()
    assert len(stage.begin().end()) <= 3
    assert stage.model.made <= 1


def test_a_turn_without_a_thread_leaves_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system has none left; it is told, and nobody waits for the thread at the end."""
    run = stage.engine.run(ask(), CancelToken())
    next(run)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            next(run)
    assert len(stage.engine._running) == 0
    assert stage.model.made <= 1


def test_a_slow_client_slows_the_model(stage: Stage) -> None:
    """It is never far ahead of what was taken."""
    run = stage.engine.run(ask(), CancelToken())
    for _ in range(20):
        next(run)
    until(lambda: stage.model.made == 19 + AHEAD + 1)
    next(run)
    until(lambda: stage.model.made == 20 + AHEAD + 1)
    run.close()


def test_a_cancel_ends_the_wait_for_a_slow_client(stage: Stage) -> None:
    """The model stops though nobody has taken what it made."""
    cancel = CancelToken()
    run = stage.engine.run(ask(), cancel)
    next(run)
    next(run)
    until(lambda: stage.model.made == 1 + AHEAD + 1)
    cancel.cancel()
    until(lambda: not generating())
    assert list(run) == []
    assert stage.model.made <= 1 + AHEAD + 2


def test_a_run_that_is_closed_stops_the_model(stage: Stage) -> None:
    """Nobody cancelled it; its thread has ended when close returns."""
    run = stage.engine.run(ask(), CancelToken())
    next(run)
    next(run)
    run.close()
    assert generating() == []
    assert stage.model.inside == 0


def test_a_seeded_turn_waits_until_it_is_alone(stage: Stage) -> None:
    """And keeps those out that come after it."""
    stage.model.is_paced = True
    first = stage.begin_inside("first")
    seeded = stage.begin("seeded", seed=1)
    until(lambda: len(stage.engine._gate._waiting) == 1)
    late = stage.begin("late")
    until(lambda: len(stage.engine._gate._waiting) == 2)
    assert stage.model.inside == 1
    first.cancel.cancel()
    stage.model.allow()
    assert "seeded" in stage.model.begun.get(timeout=10)
    assert stage.model.inside == 1
    seeded.cancel.cancel()
    stage.model.allow()
    assert "late" in stage.model.begun.get(timeout=10)
    assert late.deltas == [StartDelta()]


@pytest.mark.parametrize("fields", [{"seed": 1}, {}])
def test_a_turn_that_waits_to_be_alone_can_be_cancelled(
    stage: Stage, fields: dict[str, int]
) -> None:
    """It ends at once, and the turns behind it are not held up."""
    stage.model.is_paced = stage.model.runs_alone = True
    stage.begin_inside("first")
    waiting = stage.begin("waiting", **fields)
    until(lambda: len(stage.engine._gate._waiting) == 1)
    waiting.cancel.cancel()
    assert waiting.end() == [StartDelta()]
    assert stage.model.inside == 1


@pytest.mark.parametrize("seeds", [(1, None), (None, 1), (1, 2)])
def test_nobody_waits_for_the_client_of_a_turn_that_keeps_others_out(
    seeds: tuple[int | None, int | None],
) -> None:
    """Once another waits, it is made as fast as it can be; its client takes it when it likes."""
    model = ScriptedModel(["word "], default_length=200)
    engine = make_engine(model)
    requests = [ask() if seed is None else ask(seed=seed) for seed in seeds]
    run = engine.run(requests[0], CancelToken())
    next(run)
    next(run)
    other = ThreadPoolExecutor(1)
    done: Future[list[Delta]] = other.submit(lambda: list(engine.run(requests[1], CancelToken())))
    assert len(done.result(timeout=10)) > 200
    assert len(list(run)) > 190
    other.shutdown()


def test_a_slow_client_slows_a_turn_that_nobody_waits_for() -> None:
    """A seeded one too."""
    model = ScriptedModel(["word "], default_length=200)
    run = make_engine(model).run(ask(seed=1), CancelToken())
    next(run)
    next(run)
    until(lambda: model.made == AHEAD + 2)
    run.close()
    assert model.made <= AHEAD + 3


def test_turns_of_a_model_that_changes_as_it_runs_come_one_by_one() -> None:
    """Some position encodings do."""
    model = ScriptedModel(["word", END], runs_alone=True, is_paced=True)
    engine = make_engine(model)
    turns = [Turn(engine, text) for text in ("one", "two", "three")]
    for _ in turns:
        model.begun.get(timeout=10)
        assert model.inside == 1
        model.allow(2)
    assert [len(turn.end()) for turn in turns] == [3, 3, 3]


def test_a_failed_turn_lets_the_next_one_in() -> None:
    """Even if it was alone."""
    model = ScriptedModel(error=(1, ValueError("broken")))
    engine = make_engine(model)
    with pytest.raises(ValueError, match="broken"):
        list(engine.run(ask(seed=1), CancelToken()))
    model.error = None
    assert TextDelta("Hello") in list(engine.run(ask(seed=1), CancelToken()))


def test_many_turns_at_once_say_each_their_own() -> None:
    """Whatever the threads do, in whatever order."""
    words = [f"w{number} " for number in range(300)]
    engine = make_engine(ScriptedModel([*words, END], default_length=1000))
    turns = [Turn(engine, seed=seed) for seed in (None, 1, None, None, 2, None, None, None)]
    said = {
        "".join(delta.text for delta in turn.end() if isinstance(delta, TextDelta))
        for turn in turns
    }
    assert said == {"".join(words)}
