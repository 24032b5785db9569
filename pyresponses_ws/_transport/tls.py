"""The one TLS context that every connection of a client shares."""

from __future__ import annotations

import os
import ssl
from typing import Any

from pyresponses_ws.config import ClientCert, FilePath
from pyresponses_ws.errors import ConfigError

#: Here one thread that receives and one that sends deadlock on a TLS socket: cpython#137583.
DEADLOCKING_PYTHON = (3, 13, 6)


def make_ssl_context(
    *, ca_bundle: FilePath | None = None, client_cert: ClientCert | None = None
) -> ssl.SSLContext:
    """Make a verifying client context.

    It trusts ``ca_bundle`` (a file, or a folder as OpenSSL hashes it) and nothing else; without
    one, SSL_CERT_FILE and SSL_CERT_DIR; without these, REQUESTS_CA_BUNDLE; without any, what the
    system trusts, or certifi's list where the system has none.

    Raises ConfigError, naming option and path, for a file that is missing or cannot be used; a
    certificate or key that was given where its path belongs is not shown.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    given = ca_bundle is not None
    sources = [("ca_bundle", ca_bundle)] if given else _sources_of_environment()
    for option, path in sources:
        _trust(context, option, path)
    if not sources:
        _trust_system(context)
    if client_cert is not None:
        _present(context, client_cert)
    return context


def refuse_deadlocking_python(version: tuple[int, ...]) -> None:
    """Raise ConfigError on the one Python whose TLS sockets hang under two threads."""
    if version == DEADLOCKING_PYTHON:
        raise ConfigError(
            "wss:// cannot work on Python 3.13.6: sending deadlocks while another thread receives"
            " (cpython#137583). Use another version; 3.13.7 is fixed"
        )


def _sources_of_environment() -> list[tuple[str, str]]:
    def given(*names: str) -> list[tuple[str, str]]:
        return [(name, os.environ[name]) for name in names if os.environ.get(name)]

    return given("SSL_CERT_FILE", "SSL_CERT_DIR") or given("REQUESTS_CA_BUNDLE")


def _trust(context: ssl.SSLContext, option: str, given: Any) -> None:
    """Add a file or folder of certificates to those that ``context`` trusts."""
    path = _path(option, given)
    if not os.path.exists(path):
        raise ConfigError(f"{option}: {path!r} does not exist")
    try:
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{option}: {path!r} holds no certificates in PEM ({exc})") from exc


def _path(option: str, given: Any) -> str:
    """Return a path as text. Raises ConfigError."""
    try:
        path = os.fsdecode(given)
    except TypeError:
        raise ConfigError(f"{option} must be a path, got {type(given).__name__}") from None
    if not path:
        raise ConfigError(f"{option} is empty; leave it out, or give the path of a file")
    if "-----BEGIN" in path:
        raise ConfigError(f"{option} must be the path of a file, not what is in it")
    return path


def _trust_system(context: ssl.SSLContext) -> None:
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    paths = ssl.get_default_verify_paths()
    # On Windows the certificates come from the system's store, and no path needs to exist.
    if not context.cert_store_stats()["x509_ca"] and not (paths.cafile or paths.capath):
        import certifi  # comes with requests; looked at only where it is needed

        context.load_verify_locations(cafile=certifi.where())


def _present(context: ssl.SSLContext, client_cert: ClientCert) -> None:
    """Load the certificate and key with which the client identifies itself."""
    given = client_cert if isinstance(client_cert, tuple) else (client_cert,)
    if len(given) not in (1, 2):
        raise ConfigError("client_cert must be a path, or a pair: (certificate, key)")
    paths = [_path("client_cert", path) for path in given]
    for path in paths:
        if not os.path.isfile(path):
            raise ConfigError(f"client_cert: {path!r} does not exist, or is no file")
    key = paths[1] if len(paths) > 1 else None
    try:
        context.load_cert_chain(paths[0], key, password=_refuse_password)
    except ConfigError:
        raise
    except (OSError, ValueError) as exc:
        raise ConfigError(_what_is_wrong_with(paths[0], key, exc)) from exc


def _what_is_wrong_with(path: str, key: str | None, exc: Exception) -> str:
    if key is not None:
        return f"client_cert: {path!r} and {key!r} are no certificate in PEM and its key ({exc})"
    return (
        f"client_cert: {path!r} is no certificate in PEM with its key ({exc}). For a key in a file"
        " of its own give both: (certificate, key)"
    )


def _refuse_password() -> str:
    """Raise, where OpenSSL would ask on the terminal and wait for ever."""
    raise ConfigError("client_cert: the key is encrypted; give one without a passphrase")
