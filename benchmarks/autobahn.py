"""Echo client for the fuzzing server of the Autobahn test suite.

Its conformance cases run against :class:`WebSocketTransport` and are counted by verdict. Get the
suite (Python 2.7; its wheel for Python 3 does not import), then start server and driver::

    python2.7 -m pip install autobahntestsuite==25.10.1
    python benchmarks/autobahn.py --write-spec fuzzing.json
    wstest -m fuzzingserver -s fuzzing.json &
    python benchmarks/autobahn.py

Left out are the cases of limits (9.*) and compression (12.*, 13.*), which is not offered.
The binary echoes (1.2.*) run and are counted apart: the Responses protocol has no binary message,
so the transport refuses one with 1003, where the suite wants its echo.
"""

from __future__ import annotations

import argparse
import collections
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from pyresponses_ws._transport.base import ABNORMAL_CLOSURE, Endpoint, TransportClosed
from pyresponses_ws._transport.websocket import WebSocketTransport

T = TypeVar("T")

AGENT = "pyresponses_ws"
#: Verdicts of the suite that are no failure.
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}


def run_at_once(function: Callable[[], T], timeout: float) -> T:
    """Stand in for the helper thread: the server is on loopback, no name is looked up."""
    return function()


def talk(url: str) -> Iterator[str]:
    """Connect, yield each message to echo, and close as the peer, or its violation, demands."""
    transport = WebSocketTransport(run_with_deadline=run_at_once)
    transport.connect(Endpoint(url=url), timeout=10)
    try:
        while True:
            for message in transport.receive():
                yield message
                transport.send(message.encode(), progress_timeout=30)
            if transport.pending_pong is not None:
                payload, transport.pending_pong = transport.pending_pong, None
                transport.pong(payload)
    except TransportClosed as exc:
        if exc.close.code != ABNORMAL_CLOSURE:
            transport.close(exc.close.code, "")
    finally:
        transport.dispose()


def ask(url: str) -> str:
    """Return the one message that a URL of the server's administration says."""
    return "".join(talk(url))


def run_cases(base: str) -> None:
    count = int(ask(f"{base}/getCaseCount"))
    verdicts: dict[bool, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for case in range(1, count + 1):
        query = f"case={case}&agent={AGENT}"
        collections.deque(talk(f"{base}/runCase?{query}"), maxlen=0)
        verdict = json.loads(ask(f"{base}/getCaseStatus?{query}"))["behavior"]
        name = json.loads(ask(f"{base}/getCaseInfo?case={case}"))["id"]
        verdicts[name.startswith("1.2.")][verdict] += 1
        if verdict != "OK":
            print(f"{name}: {verdict}")
    ask(f"{base}/updateReports?agent={AGENT}")
    failed = sum(number for name, number in verdicts[False].items() if name not in PASSED)
    print(f"{count} cases, {failed} failed: {dict(verdicts[False])}")
    print(f"binary, refused on purpose: {dict(verdicts[True])}")


def write_spec(path: str) -> None:
    spec = {
        "url": "ws://127.0.0.1:9001",
        "outdir": "./reports",
        "cases": ["*"],
        "exclude-cases": ["9.*", "12.*", "13.*"],
        "exclude-agent-cases": {},
    }
    Path(path).write_text(json.dumps(spec), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="ws://127.0.0.1:9001", help="of the fuzzing server")
    parser.add_argument("--write-spec", metavar="FILE", help="write the server's spec and exit")
    options = parser.parse_args()
    if options.write_spec:
        write_spec(options.write_spec)
    else:
        run_cases(options.url)


if __name__ == "__main__":
    main()
