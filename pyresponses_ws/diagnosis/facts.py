"""What a diagnosis found, and how it is written down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from pyresponses_ws.diagnosis.certificate import Certificate

Stage = Literal["config", "dns", "tcp", "proxy", "tls", "upgrade", "open", "closed"]
Outcome = Literal["ok", "failed", "not reached"]
#: The stages in their order; a link that the server closes at once ends in ``closed``.
STAGES: tuple[Stage, ...] = ("config", "dns", "tcp", "proxy", "tls", "upgrade", "open", "closed")


@dataclass(frozen=True, kw_only=True)
class TLSFacts:
    """The TLS session, or the certificate that kept it from being one."""

    #: "TLSv1.3" for one; None where no session came about.
    version: str | None
    is_trusted: bool
    #: Names of whom it is for and of who made it; "" where the certificate has none.
    subject: str
    issuer: str
    #: ISO 8601, UTC.
    valid_from: str
    valid_until: str
    #: The hosts that the certificate is for, the first few.
    hosts: tuple[str, ...]


def tls_facts(
    certificate: Certificate, *, version: str | None = None, is_trusted: bool = False
) -> TLSFacts:
    """Put a certificate into words."""
    return TLSFacts(
        version=version,
        is_trusted=is_trusted,
        subject=certificate.subject,
        issuer=certificate.issuer,
        valid_from=certificate.valid_from.isoformat(),
        valid_until=certificate.valid_until.isoformat(),
        hosts=certificate.hosts,
    )


class Step(NamedTuple):
    """One stage of the way, as it stands."""

    stage: Stage
    outcome: Outcome
    #: Milliseconds that it took; None where it was not timed.
    ms: float | None
    detail: str


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One handshake, and what it says about the way to the server.

    It holds no key, no header, no query and no user or password of a URL.
    """

    #: Where the WebSocket would be, without query.
    url: str
    #: The last stage reached: the one that failed, or ``open``.
    stage: Stage
    #: Short name of what is wrong; None if nothing is. docs/doctor.md lists them.
    problem: str | None
    #: What is wrong, in one sentence, and what to do about it.
    verdict: str
    advice: str
    #: What the client would raise, in its words.
    error: str | None = None
    #: ``scheme://host:port`` of the proxy, and the option or variable that names it.
    proxy: str | None = None
    proxy_source: str | None = None
    #: What the name of the host, or of the proxy, resolved to, in the order of trying.
    addresses: tuple[str, ...] = ()
    #: The one that answered.
    address: str | None = None
    tls: TLSFacts | None = None
    #: HTTP status of the handshake, or of the proxy's refusal.
    status: int | None = None
    #: Seconds that the server asks to wait.
    retry_after: float | None = None
    close_code: int | None = None
    close_reason: str = ""
    #: Milliseconds of each stage that was entered.
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """The WebSocket opened, and stayed open."""
        return self.stage == "open"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON, ``ok`` first."""
        facts = asdict(self)
        facts["addresses"] = list(self.addresses)
        facts["timings"] = {stage: round(ms, 3) for stage, ms in self.timings.items()}
        if self.tls is not None:
            facts["tls"]["hosts"] = list(self.tls.hosts)
        return {"ok": self.ok, **facts}

    def steps(self) -> Iterator[Step]:
        """Yield the stages of this way in their order, those that were not reached too."""
        for stage in self._way():
            outcome = self._outcome(stage)
            detail = "" if outcome == "not reached" else self._detail(stage)
            yield Step(stage, outcome, self.timings.get(stage), detail)

    def _outcome(self, stage: Stage) -> Outcome:
        if stage == self.stage:
            return "ok" if self.ok else "failed"
        return "ok" if STAGES.index(stage) < STAGES.index(self.stage) else "not reached"

    def _way(self) -> list[Stage]:
        """Return the stages between here and an open WebSocket."""
        left_out = {"closed" if self.stage != "closed" else "open"}
        if self.proxy is None:
            left_out.add("proxy")
        if not self.url.startswith("wss:") and self.tls is None and self.stage != "tls":
            left_out.add("tls")
        return [stage for stage in STAGES if stage not in left_out]

    def _detail(self, stage: Stage) -> str:
        details = {
            "config": self.url,
            "dns": ", ".join(self.addresses),
            "tcp": self.address or "",
            "proxy": f"{self.proxy}, from {self.proxy_source}",
            "tls": _tls_words(self.tls),
            "upgrade": "" if self.status is None else f"HTTP {self.status}",
            "closed": f"{self.close_code} {self.close_reason}".strip(),
        }
        return details.get(stage, "")

    def __str__(self) -> str:
        return "\n".join([*map(_line, self.steps()), "", self.verdict, self.advice]).strip()


def _tls_words(tls: TLSFacts | None) -> str:
    if tls is None:
        return ""
    by = f"certificate by {tls.issuer or 'nobody named'}, until {tls.valid_until[:10]}"
    return f"{tls.version}, {by}" if tls.version else by


def _line(step: Step) -> str:
    ms = "" if step.ms is None else f"{step.ms:.1f} ms"
    return f"{step.stage:<8} {step.outcome:<12} {ms:>11}  {step.detail}".rstrip()
