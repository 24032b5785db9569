"""Says in words what is wrong between a client and its server, and what to do about it."""

from __future__ import annotations

from pyresponses_ws._runtime.threads import Threads
from pyresponses_ws.config import ClientConfig
from pyresponses_ws.diagnosis.facts import Diagnosis as Diagnosis
from pyresponses_ws.diagnosis.facts import Step as Step
from pyresponses_ws.diagnosis.facts import TLSFacts as TLSFacts
from pyresponses_ws.diagnosis.probe import WATCH, OnStep, Probe
from pyresponses_ws.diagnosis.verdict import conclude
from pyresponses_ws.errors import ConfigError


def _say_nothing(step: str) -> None:
    """Stand in where nobody wants to hear of the steps."""


def diagnose(
    config: ClientConfig,
    threads: Threads,
    *,
    is_anonymous: bool = False,
    watch: float = WATCH,
    on_step: OnStep = _say_nothing,
) -> Diagnosis:
    """Make one handshake as the client would, watch it for ``watch`` seconds, and say how it went.

    Uses the client's proxy, certificates, headers and ``timeouts.connect``; the handshake and the
    look-up before it have that long each. Sends no turn. A certificate that is not trusted is
    fetched by a second TLS handshake, unverified and without a word to the server, to name its
    issuer. ``is_anonymous`` leaves the key out. ``on_step`` is told each step in words before it is
    taken, on this thread. Safe for any thread; blocks for three times the timeout at most, or for
    twice that, the watching and two seconds of goodbye.

    Raises ConfigError for a client whose transport is not a network's; nothing of what it is there
    to find, wrong options included.
    """
    if config.transport_factory is not None:
        raise ConfigError("a client with a transport_factory has no network to diagnose")
    probe = Probe(config, threads, is_anonymous=is_anonymous, on_step=on_step)
    probe.run(watch)
    return conclude(probe.findings, probe.trace, config, is_anonymous=is_anonymous)
