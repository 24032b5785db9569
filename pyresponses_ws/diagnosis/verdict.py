"""From what a probe found to a diagnosis: facts, verdict and advice, and no secret."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from pyresponses_ws._transport.refusal import redact, secrets_of
from pyresponses_ws._transport.target import Target
from pyresponses_ws.config import ClientConfig
from pyresponses_ws.diagnosis.certificate import printable
from pyresponses_ws.diagnosis.facts import Diagnosis, TLSFacts, tls_facts
from pyresponses_ws.diagnosis.probe import Findings, decode
from pyresponses_ws.diagnosis.problems import find_close_problem, find_problem
from pyresponses_ws.diagnosis.remedies import FALLBACKS, OK, REMEDIES
from pyresponses_ws.diagnosis.trace import Trace, time_stages
from pyresponses_ws.errors import TEXT_LIMIT, ConnectError
from pyresponses_ws.failures import normalize_error


def conclude(
    findings: Findings, trace: Trace, config: ClientConfig, *, is_anonymous: bool
) -> Diagnosis:
    """Name what is wrong, and write down everything that was found."""
    problem = name_problem(findings, is_anonymous=is_anonymous)
    strike_out = _striker(findings)
    tls = _tls(findings, trace, config)
    error = findings.failure.error if findings.failure else None
    fields = {**_facts(findings, strike_out), "tls": tls}
    remedy = OK if problem is None else REMEDIES[problem]
    words = _words(findings, config, fields, strike_out)
    return Diagnosis(
        url=urlsplit(config.websocket_url)._replace(query="").geturl(),
        stage=findings.stage,
        problem=problem,
        verdict=_fill(remedy.verdict, words),
        advice=_fill(remedy.advice, words),
        error=None if error is None else strike_out(str(error)),
        address=trace.address,
        timings=_timings(findings, trace, config),
        **fields,
    )


def name_problem(findings: Findings, *, is_anonymous: bool) -> str | None:
    """Return the name of what is wrong; None if nothing is."""
    if findings.close is not None:
        close = findings.close
        is_ours = not close.reply_due and close.code != 1006
        return find_close_problem(close.code, is_ours=is_ours)
    if findings.failure is None:
        return None
    found = find_problem(findings.failure, findings.stage, is_at_proxy=findings.is_at_proxy)
    return "no_key" if found == "key_refused" and is_anonymous else found


def _facts(findings: Findings, strike_out: Callable[[str], str]) -> dict[str, Any]:
    """Return the fields of a diagnosis that were simply seen."""
    error = findings.failure.error if findings.failure else None
    refusal = error if isinstance(error, ConnectError) else None
    proxy, close = findings.proxy, findings.close
    return {
        "proxy": None if proxy is None else str(proxy),
        "proxy_source": None if proxy is None else proxy.source,
        "addresses": findings.addresses,
        "status": _status(findings, refusal),
        "retry_after": None if refusal is None else refusal.retry_after,
        "close_code": None if close is None else close.code,
        "close_reason": "" if close is None else strike_out(close.reason),
    }


def _status(findings: Findings, refusal: ConnectError | None) -> int | None:
    if findings.stage in ("open", "closed"):
        return 101
    return None if refusal is None else refusal.status


def _tls(findings: Findings, trace: Trace, config: ClientConfig) -> TLSFacts | None:
    """Return the session that was made, or the certificate that kept it from being one."""
    if findings.rejected is not None:
        return tls_facts(findings.rejected)
    certificate = decode(trace.session) if config.is_secure else None
    if certificate is None or trace.session is None or findings.stage in ("proxy", "tls"):
        return None
    context = findings.endpoint.ssl_context if findings.endpoint else None
    is_trusted = context is not None and context.verify_mode == ssl.CERT_REQUIRED
    return tls_facts(certificate, version=trace.session.version, is_trusted=is_trusted)


def _timings(findings: Findings, trace: Trace, config: ClientConfig) -> dict[str, float]:
    return ({} if findings.look_up_ms is None else {"dns": findings.look_up_ms}) | time_stages(
        trace.marks,
        findings.stage,
        end=findings.handshake_end,
        proxy_scheme=None if findings.proxy is None else findings.proxy.scheme,
        is_secure=config.is_secure,
    )


def _words(
    findings: Findings,
    config: ClientConfig,
    facts: Mapping[str, Any],
    strike_out: Callable[[str], str],
) -> dict[str, str]:
    """Return what the braces of a remedy stand for; see there."""
    failure, tls = findings.failure, facts["tls"]
    return {
        "peer": _peer_of(config),
        "host": config.host,
        "proxy": str(facts["proxy"]),
        "proxy_source": str(facts["proxy_source"]),
        **_certificate_words(tls),
        "status": str(facts["status"]),
        "answered": "" if facts["status"] is None else f" (HTTP {facts['status']})",
        "said": strike_out(_said(failure.error)) if failure else "",
        "reason": strike_out(failure.reason).rstrip(".") if failure else "",
        "seconds": f"{config.timeouts.connect:g}",
        "wait": _wait(facts["retry_after"]),
        "code": str(facts["close_code"]),
        "closing": f", {facts['close_reason']!r}" if facts["close_reason"] else "",
        "fallback": FALLBACKS[config.transport],
    }


def _certificate_words(tls: TLSFacts | None) -> dict[str, str]:
    return {
        "issuer": (tls.issuer if tls else "") or "nobody who could be named",
        "hosts": (", ".join(tls.hosts) or tls.subject if tls else "") or "another host",
        "valid_from": tls.valid_from[:10] if tls else "a later day",
        "valid_until": tls.valid_until[:10] if tls else "an earlier day",
    }


def _fill(template: str, words: Mapping[str, str]) -> str:
    """Put the words in; a template that repeats a peer's text is not looked at again."""
    return template.format_map(words).strip()


def _peer_of(config: ClientConfig) -> str:
    """Return host and port of the server."""
    return str(Target(host=config.host, port=config.port, server_hostname=config.host))


def _said(error: Exception) -> str:
    """Return the words of an error body after a colon, if it has some."""
    body = error.body if isinstance(error, ConnectError) else None
    if not body:
        return ""
    message = normalize_error(body).message
    return f": {message[:TEXT_LIMIT].rstrip('.')}"


def _wait(retry_after: float | None) -> str:
    return "later" if retry_after is None else f"in {retry_after:g} s, as it asks"


def _striker(findings: Findings) -> Callable[[str], str]:
    """Return what makes a text of others fit to be shown: one line, without a secret."""
    endpoint, proxy = findings.endpoint, findings.proxy
    secrets = [] if endpoint is None else secrets_of(endpoint.url, endpoint.headers)
    if proxy is not None:
        secrets += [word for word in (proxy.username, proxy.password) if word]

    def strike_out(text: str) -> str:
        return printable(re.sub(r"\s+", " ", redact(text, secrets))).strip()

    return strike_out
