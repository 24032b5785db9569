"""From an error to the name of what is wrong, where no socket on loopback can be made to say it."""

from __future__ import annotations

import socket
import ssl

import pytest

from pyresponses_ws.diagnosis.facts import Stage
from pyresponses_ws.diagnosis.problems import Failure, find_close_problem, find_problem
from pyresponses_ws.errors import ConfigError, ConnectError


def failure(cause: BaseException | None, status: int | None = None) -> Failure:
    error = ConnectError("no", status=status)
    error.__cause__ = cause
    return Failure(error, around=None)


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] words")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("stage", "cause", "problem"),
    [
        ("dns", socket.gaierror(-2, "Name or service not known"), "name_unknown"),
        ("dns", TimeoutError(), "name_silent"),
        ("tcp", ConnectionRefusedError(111, "Connection refused"), "refused"),
        ("tcp", OSError(113, "No route to host"), "unreachable"),
        ("tls", tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "client_cert_wanted"),
        ("tls", tls_error("WRONG_VERSION_NUMBER"), "no_tls"),
        ("tls", tls_error("TLSV1_ALERT_PROTOCOL_VERSION"), "tls_failed"),
        ("upgrade", tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "client_cert_wanted"),
        ("upgrade", ConnectionResetError(104, "reset"), "upgrade_cut"),
        ("upgrade", None, "upgrade_failed"),
    ],
)
def test_a_stage_and_a_cause_name_the_problem(
    stage: Stage, cause: BaseException | None, problem: str
) -> None:
    """The same error means another thing at another stage."""
    assert find_problem(failure(cause), stage, is_at_proxy=False) == problem


@pytest.mark.parametrize(
    ("verify_code", "problem"),
    [
        *((9, "not_yet_valid"), (10, "expired"), (62, "wrong_name"), (64, "wrong_name")),
        *((18, "untrusted"), (19, "untrusted"), (20, "untrusted"), (23, "untrusted")),
    ],
)
def test_openssl_says_what_is_wrong_with_a_certificate(verify_code: int, problem: str) -> None:
    """By a number that has been the same for decades."""
    error = ssl.SSLCertVerificationError(1, "words")
    error.verify_code = verify_code
    assert find_problem(failure(error), "tls", is_at_proxy=False) == problem


class SocksError(Exception):
    """What python-socks raises, as far as it is looked at."""

    def __init__(self, message: str, error_code: int | None = None) -> None:
        super().__init__(message)
        self.error_code = error_code


@pytest.mark.parametrize(
    ("cause", "problem"),
    [
        (SocksError("Host unreachable", 4), "proxy_lost"),
        (SocksError("Connection not allowed by ruleset", 2), "proxy_refuses"),
        (SocksError("Username and password authentication failure"), "proxy_credentials"),
        (TimeoutError(), "proxy_silent"),
        (ConnectionRefusedError(), "proxy_unreachable"),
    ],
)
def test_a_socks_proxy_says_why(cause: BaseException, problem: str) -> None:
    """It has numbers where HTTP has a status."""
    assert find_problem(failure(cause), "proxy", is_at_proxy=True) == problem


def test_the_reason_is_the_innermost_in_few_words() -> None:
    """Without the number and the file of OpenSSL that stand around it."""
    assert failure(OSError(113, "No route to host")).reason == "No route to host"
    assert failure(tls_error("UNEXPECTED_EOF")).reason == "unexpected eof"
    assert Failure(ConfigError("proxy has no host"), around=None).reason == "proxy has no host"


def test_the_chain_ends_at_what_was_there_before() -> None:
    """And at what was raised ``from None``."""
    before = TimeoutError()
    cause = ConnectionRefusedError()
    cause.__context__ = before
    error = ConnectError("no")
    error.__cause__ = cause
    assert not Failure(error, around=before).has(TimeoutError)
    assert Failure(error, around=None).has(TimeoutError)
    cause.__suppress_context__ = True
    assert not Failure(error, around=None).has(TimeoutError)


def test_what_we_refuse_is_not_the_servers_close() -> None:
    """A 1002 of ours says that no WebSocket is spoken there; one of the server's is its own."""
    assert find_close_problem(1002, is_ours=True) == "not_websocket"
    assert find_close_problem(1002, is_ours=False) == "closed_at_once"
