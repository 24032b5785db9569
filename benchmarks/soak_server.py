"""The far end of the soak: a server behind a proxy that breaks its connections at random.

It is a process of its own, so that the memory and threads of the soak are the client's alone. It
obeys lines on standard input: ``calm`` ends the faults for good, ``report`` prints what ran.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path

import trustme

from pyresponses_ws.server.engines.base import CancelToken, Delta, EngineRequest
from pyresponses_ws.server.engines.echo import EchoEngine
from pyresponses_ws.testing import FaultProxy, LocalServer
from pyresponses_ws.testing.faults import (
    ConnectionFault,
    Corrupt,
    Cut,
    Delay,
    Duplicate,
    HalfClose,
    Refuse,
    Reset,
    Stall,
    Trickle,
)

#: Seconds for which nobody listens at the port, when that is the fault.
REFUSED_FOR = 0.3


class CountingEngine:
    """Echoes, and counts how often each request ran, by the mark in its metadata."""

    def __init__(self, *, delta_delay: float) -> None:
        self._echo = EchoEngine(delta_delay=delta_delay)
        # Guards the counts: each turn has a thread.
        self._lock = threading.Lock()
        self.runs: Counter[str] = Counter()

    def models(self) -> Sequence[str]:
        return self._echo.models()

    def run(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        mark = (request.settings.get("metadata") or {}).get("mark", "")
        with self._lock:
            self.runs[mark] += 1
        return self._echo.run(request, cancel)


class Faults:
    """Breaks live connections, one every ``every`` seconds on average, until it is calmed."""

    def __init__(self, proxy: FaultProxy, *, every: float, seed: int) -> None:
        self._proxy = proxy
        self._every = every
        self._random = random.Random(seed)
        self._calm = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.counts: Counter[str] = Counter()
        self._thread.start()

    def calm(self) -> None:
        self._calm.set()
        self._thread.join()
        self._proxy.heal()

    def _run(self) -> None:
        while not self._calm.wait(self._random.expovariate(1 / self._every)):
            fault = self._draw()
            self.counts[type(fault).__name__] += 1
            if isinstance(fault, Refuse):
                self._proxy.always(fault)
                self._calm.wait(REFUSED_FOR)
                self._proxy.heal()
            elif self._random.random() < 0.5:
                self._proxy.inject(fault)
            else:
                self._proxy.next(fault)

    def _draw(self) -> ConnectionFault | Refuse:
        draw = self._random
        way = draw.choice(("up", "down"))
        after = {"after_bytes": draw.randrange(6000), "watch": draw.choice(("up", "down"))}
        return draw.choice(
            (
                Cut(**after),
                Reset(**after),
                HalfClose(way=way, **after),
                Stall(way=draw.choice(("up", "down", "both")), **after),
                Delay(seconds=draw.uniform(0.01, 0.3), **after),
                Trickle(size=draw.randrange(1, 200), pause=0.002, **after),
                # Over TLS these two are found out by the record's checksum.
                Duplicate(way=way, length=draw.randrange(1, 100), **after),
                Corrupt(way=way, **after),
                Refuse(),
            )
        )


@contextlib.contextmanager
def certificates() -> Generator[tuple[Path, Path], None, None]:
    """Write an authority's certificate, and a server's with its key."""
    authority = trustme.CA()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        bundle, server = Path(folder, "ca.pem"), Path(folder, "server.pem")
        authority.cert_pem.write_to_path(bundle)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(server)
        yield bundle, server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    args = parser.parse_args()
    engine = CountingEngine(delta_delay=0.002)
    with (
        certificates() as (bundle, certificate),
        LocalServer(engine, ssl_certfile=certificate, ssl_keyfile=certificate) as server,
        FaultProxy(server.base_url) as proxy,
    ):
        faults = Faults(proxy, every=args.every, seed=args.seed)
        print(json.dumps({"base_url": proxy.base_url, "ca_bundle": str(bundle)}), flush=True)
        for line in sys.stdin:
            if line.strip() == "calm":
                faults.calm()
                print("{}", flush=True)
            else:
                print(json.dumps({"runs": engine.runs, "faults": faults.counts}), flush=True)
        faults.calm()


if __name__ == "__main__":
    main()
