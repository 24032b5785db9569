"""Asks a proxy for a tunnel to the server, on a socket that is connected to the proxy.

Every scheme gives a tunnel (CONNECT for http and https), for ``ws`` and ``http`` servers too: the
proxy learns host and port of the server and its own credentials, and nothing else.
"""

from __future__ import annotations

import base64
import re
import socket
from dataclasses import replace

from pyresponses_ws._transport.answer import Answer, AnswerReader, NotHTTPError
from pyresponses_ws._transport.deadline import Deadline
from pyresponses_ws._transport.refusal import parse_retry_after
from pyresponses_ws._transport.target import Target
from pyresponses_ws.errors import ConnectError
from pyresponses_ws.proxies import Proxy

#: The ways in which a proxy may want to know who we are, Basic (RFC 7617) apart.
_OTHER_SCHEMES = ("Digest", "Kerberos", "Negotiate", "NTLM")

#: What helps, by status of the refusal.
_FIXES = {
    400: "It may not be a proxy, or not allow tunnels: check {source}",
    401: "Check user name and password in {source}",
    403: "Its rules forbid this host or port: have it allowed, or list the host in NO_PROXY",
    404: "It may not be a proxy: check {source}",
    405: "It allows no tunnels (CONNECT): use another proxy",
    429: "Too many connections go through it: try again later",
    502: "It does not reach the server: check base_url, and what the proxy may reach",
    503: "It does not reach the server: check base_url, and what the proxy may reach",
    504: "The server did not answer it in time: check base_url, and what the proxy may reach",
}


def open_http_tunnel(sock: socket.socket, proxy: Proxy, target: Target, deadline: Deadline) -> None:
    """Have an http or https proxy connect ``sock`` to ``target`` (RFC 9110, 9.3.6).

    Raises ConnectError of the stage ``proxy``, with the status of a refusal; OSError, TimeoutError
    at the deadline for one; ValueError for a host that cannot be written in a request.
    """
    sock.settimeout(deadline.left())
    sock.sendall(_connect_request(proxy, target))
    reader = AnswerReader(sock, deadline)
    try:
        answer = _receive_final_answer(reader)
    except NotHTTPError as exc:
        raise _broken(proxy, str(exc)) from exc
    if not 200 <= answer.status < 300:
        raise _refused(proxy, target, answer)
    # The server speaks only when spoken to, so nothing can be here yet. A body, perhaps.
    if reader.take_rest():
        raise _broken(proxy, "it sent a page where a tunnel was asked for")


def _connect_request(proxy: Proxy, target: Target) -> bytes:
    host = target.host if target.host.isascii() else target.host.encode("idna").decode()
    authority = replace(target, host=host).authority.encode()
    if not re.fullmatch(rb"[!-~]+", authority):
        raise ValueError("the host cannot be written in a request")
    lines = [b"CONNECT %b HTTP/1.1" % authority, b"Host: %b" % authority]
    if proxy.username is not None or proxy.password is not None:
        pair = f"{proxy.username or ''}:{proxy.password or ''}".encode()
        lines.append(b"Proxy-Authorization: Basic %b" % base64.b64encode(pair))
    return b"\r\n".join([*lines, b"", b""])


def _receive_final_answer(reader: AnswerReader) -> Answer:
    while (answer := reader.receive_answer()).status < 200:
        pass
    return answer


def _broken(proxy: Proxy, what: str) -> ConnectError:
    return ConnectError(
        f"{Target.of_proxy(proxy)} did not open a tunnel: {what}. Check scheme, host and port of"
        f" {proxy.source}",
        stage="proxy",
    )


def _refused(proxy: Proxy, target: Target, answer: Answer) -> ConnectError:
    return ConnectError(
        f"{Target.of_proxy(proxy)} refused the tunnel to {target} with HTTP {answer.status}."
        f" {_fix(proxy, answer)}",
        stage="proxy",
        status=answer.status,
        retry_after=parse_retry_after(answer.headers),
    )


def _fix(proxy: Proxy, answer: Answer) -> str:
    if answer.status == 407:
        return _fix_of_407(proxy, answer.headers.get("proxy-authenticate", ""))
    if 300 <= answer.status < 400:
        return f"It redirects, to a page for logging in perhaps: open one, or check {proxy.source}"
    default = "It fails: try again later, or check {source}"
    return _FIXES.get(answer.status, default).format(source=proxy.source)


def _fix_of_407(proxy: Proxy, challenge: str) -> str:
    """Say what is missing; of the proxy's own words, only known names of schemes are repeated."""
    if not re.search(r"\bbasic\b", challenge, re.IGNORECASE):
        others = [s for s in _OTHER_SCHEMES if re.search(rf"\b{s}\b", challenge, re.IGNORECASE)]
        if others:
            return (
                f"It wants {' or '.join(others)}, and only Basic is spoken here: put a local proxy"
                " that speaks it in between"
            )
    if proxy.username is None:
        return f"It wants to know who asks: write user:password@ before the host in {proxy.source}"
    return (
        f"Check user name and password in {proxy.source}; what is special in them must be"
        " percent-encoded"
    )
