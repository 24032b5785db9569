"""The running server under random frames: it answers or refuses, and nobody else is harmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.fuzz_server import Bystander, Fortress, ask, open_socket, run_fortress
from tests.support.fuzz_wire import Attacker


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    """Run a server in a process, as users do; its turns last long enough to be steered."""
    folder = Path(tmp_path_factory.mktemp("fortress"))
    with run_fortress(folder, "--delta-delay=0.001") as running:
        yield running


def attack(fortress: Fortress, seed: int, frames: int) -> Counter[str]:
    """Send frames over one connection; return the types of the answers, all of them fair."""
    said = Attacker(fortress.address, seed).attack(frames)
    for frame in said:
        assert frame.get("status", 400) < 500, f"seed {seed}: {frame}"
        assert frame["type"] != "response.failed", f"seed {seed}: {frame}"
    return Counter(frame["type"] for frame in said)


def attack_often(fortress: Fortress, seeds: range, *, frames: int) -> Counter[str]:
    """Attack with three connections at a time, one a seed."""
    with ThreadPoolExecutor(max_workers=3) as pool:
        said = pool.map(lambda seed: attack(fortress, seed, frames), seeds)
        return sum(said, Counter())


def check_unharmed(fortress: Fortress) -> None:
    """A new peer is served, and the log holds nothing that a peer must not cause."""
    with open_socket(fortress.base_url) as ws:
        assert ask(ws, "still there?") == "You said: still there?"
    assert fortress.complaints() == []


def test_a_thousand_frames_harm_nobody(fortress: Fortress) -> None:
    """Of 1,000 random frames each is answered or refused; a bystander's turns go on."""
    with Bystander(fortress.base_url) as bystander:
        said = attack_often(fortress, range(40), frames=25)
    assert min(said["response.created"], said["error"]) > 50
    assert bystander.turns > 0
    check_unharmed(fortress)


def test_turns_of_peers_that_break_off_log_nothing(fortress: Fortress) -> None:
    """Their engines may have more to say at that moment; it is not said to a closed socket."""
    with Bystander(fortress.base_url) as bystander:
        for seed in range(60):
            Attacker(fortress.address, seed).break_off()
    assert bystander.turns > 0
    check_unharmed(fortress)


@pytest.mark.real
@pytest.mark.timeout(600)
def test_ten_thousand_frames_harm_nobody(fortress: Fortress) -> None:
    """The same with longer connections."""
    with Bystander(fortress.base_url) as bystander:
        said = attack_often(fortress, range(1000, 1100), frames=100)
    assert min(said["response.completed"], said["response.steer.accepted"]) > 5
    assert bystander.turns > 50
    check_unharmed(fortress)
