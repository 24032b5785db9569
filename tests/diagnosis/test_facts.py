"""How a diagnosis is written down."""

from __future__ import annotations

import json
import pickle
from typing import Any

from pyresponses_ws.diagnosis import Diagnosis, TLSFacts

TLS = TLSFacts(
    version="TLSv1.3",
    is_trusted=True,
    subject="CN=api.example.test",
    issuer="O=Authority",
    valid_from="2026-01-01T00:00:00+00:00",
    valid_until="2027-01-01T00:00:00+00:00",
    hosts=("api.example.test",),
)


def diagnosis(**fields: Any) -> Diagnosis:
    given = {
        "url": "wss://api.example.test/v1/responses",
        "stage": "upgrade",
        "problem": "key_refused",
        "verdict": "It does not take the key.",
        "advice": "Check it.",
        "addresses": ("192.0.2.1", "192.0.2.2"),
        "tls": TLS,
        "status": 401,
        "timings": {"dns": 1.23456, "tcp": 2.0},
    }
    return Diagnosis(**{**given, **fields})


def test_every_stage_of_the_way_stands_on_a_line() -> None:
    """Those that were passed, the one that failed, and those that were not reached."""
    outcomes = {step.stage: step.outcome for step in diagnosis().steps()}
    assert outcomes == {
        "config": "ok",
        "dns": "ok",
        "tcp": "ok",
        "tls": "ok",
        "upgrade": "failed",
        "open": "not reached",
    }


def test_a_way_has_only_the_stages_that_it_needs() -> None:
    """TLS for wss, a proxy where there is one; a link that was closed was not open."""
    plain = diagnosis(url="ws://127.0.0.1/responses", tls=None, stage="closed")
    assert [step.stage for step in plain.steps()] == ["config", "dns", "tcp", "upgrade", "closed"]
    proxied = diagnosis(proxy="http://proxy.test:3128", proxy_source="HTTPS_PROXY")
    details = {step.stage: step.detail for step in proxied.steps()}
    assert details["proxy"] == "http://proxy.test:3128, from HTTPS_PROXY"


def test_as_text_it_ends_with_verdict_and_advice() -> None:
    """Whoever prints it sees all that matters."""
    *stages, blank, verdict, advice = str(diagnosis()).splitlines()
    assert (blank, verdict, advice) == ("", "It does not take the key.", "Check it.")
    assert stages[1] == "dns      ok                1.2 ms  192.0.2.1, 192.0.2.2"
    assert stages[3].endswith("TLSv1.3, certificate by O=Authority, until 2027-01-01")


def test_as_json_it_is_plain() -> None:
    """Lists for tuples, so that it comes back equal."""
    plain = diagnosis().to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["ok"], plain["timings"]["dns"]) == (False, 1.235)
    assert plain["tls"]["hosts"] == ["api.example.test"]


def test_it_pickles() -> None:
    """A worker may hand it to its parent."""
    assert pickle.loads(pickle.dumps(diagnosis())) == diagnosis()
