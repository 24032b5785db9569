"""Forward proxies of others, installed from the package index, each in a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyresponses_ws.testing import LocalServer
from tests.support.responses_peer import wait_for
from tests.support.tls import TestAuthority
from tests.support.tunnels import TunnelProxy

#: An HTTP proxy, one that reads inside TLS, and one of SOCKS. Their pins would clash with ours.
_PACKAGES = ("proxy.py>=2.4", "mitmproxy>=10", "pproxy>=2.7")
#: Seconds for pip to fetch them, and for a proxy to end.
_INSTALL_TIMEOUT = 300
_PATIENCE = 20

USER, PASSWORD = "someone", "s3cret-word"

#: Starts a program of the environment; ``{port}`` in its arguments becomes the port returned.
StartProxy = Callable[..., int]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the proxies; return the folder of their programs."""
    folder = tmp_path_factory.mktemp("proxies")
    venv.create(folder, with_pip=True)
    bin_folder = folder / ("Scripts" if sys.platform == "win32" else "bin")
    command = [str(bin_folder / "python"), "-m", "pip", "install", "--quiet", *_PACKAGES]
    done = subprocess.run(
        command, env=_environment(), capture_output=True, text=True, timeout=_INSTALL_TIMEOUT
    )
    if done.returncode != 0:
        pytest.fail(f"pip could not install {', '.join(_PACKAGES)}: {done.stderr}")
    return bin_folder


def _environment() -> dict[str, str]:
    """Return ours without what points at the checkout, or at proxies."""
    hidden = ("pythonpath", "http_proxy", "https_proxy", "all_proxy", "no_proxy")
    return {name: value for name, value in os.environ.items() if name.lower() not in hidden}


@pytest.fixture
def start_proxy(programs: Path, tmp_path: Path) -> Iterator[StartProxy]:
    """Run proxies until the test ends."""
    with contextlib.ExitStack() as stack:

        def start(program: str, *arguments: str) -> int:
            port = _unused_port()
            command = [str(programs / program), *(word.format(port=port) for word in arguments)]
            log = stack.enter_context((tmp_path / f"{program}-{port}.log").open("wb"))
            process = subprocess.Popen(command, env=_environment(), stdout=log, stderr=log)
            stack.callback(_stop, process)
            wait_for(lambda: process.poll() is not None or _listens(port), program)
            assert process.poll() is None, Path(log.name).read_text()
            return port

        yield start


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture(scope="session")
def authority() -> Iterator[TestAuthority]:
    authority = TestAuthority()
    yield authority
    authority.close()


@pytest.fixture
def secure_url(responses_server: LocalServer, authority: TestAuthority) -> Iterator[str]:
    """The embedded server behind TLS, by a name."""
    place = ("127.0.0.1", responses_server.port)
    with TunnelProxy(lambda *_: (place, b""), tls=authority.server_context()) as terminator:
        yield f"https://localhost:{terminator.port}/v1"
