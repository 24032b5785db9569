"""Which proxy stands before a server: by option, or by the environment."""

from __future__ import annotations

import importlib.util
import os
from urllib.parse import urlsplit

import pytest
from requests.utils import should_bypass_proxies

from pyresponses_ws.errors import ConfigError
from pyresponses_ws.proxies import Proxy, find_proxy, is_bypassed, parse_proxy

PASSWORD = "s3cret-word"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "REQUEST_METHOD":
            monkeypatch.delenv(name)


# --- by option ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "facts"),
    [
        ("http://proxy.test:3128", ("http", "proxy.test", 3128, None, None)),
        ("http://proxy.test", ("http", "proxy.test", 80, None, None)),
        ("https://proxy.test/", ("https", "proxy.test", 443, None, None)),
        ("socks5://10.0.0.1", ("socks5", "10.0.0.1", 1080, None, None)),
        ("SOCKS5H://Proxy.Test:9", ("socks5h", "proxy.test", 9, None, None)),
        (" http://[::1]:8080 ", ("http", "::1", 8080, None, None)),
        ("http://me@proxy.test:1", ("http", "proxy.test", 1, "me", None)),
        ("http://me:a%3Ab%40%20c@proxy.test:1", ("http", "proxy.test", 1, "me", "a:b@ c")),
        ("http://m%C3%BCller:%E2%82%AC@p:1", ("http", "p", 1, "müller", "€")),
        ("http://:word@p:1", ("http", "p", 1, "", "word")),
    ],
)
def test_a_url_is_taken_apart(url: str, facts: tuple[object, ...]) -> None:
    """Scheme and host in lower case, the scheme's port, user and password decoded."""
    proxy = parse_proxy(url)
    assert (proxy.scheme, proxy.host, proxy.port, proxy.username, proxy.password) == facts


def test_repr_and_str_show_neither_user_nor_password() -> None:
    """What a log or a traceback may hold; an address of version 6 stands in brackets."""
    proxy = parse_proxy(f"http://somebody:{PASSWORD}@[::1]:3128")
    shown = f"{proxy!r} {proxy}"
    assert PASSWORD not in shown
    assert "somebody" not in shown
    assert str(proxy) == "http://[::1]:3128"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        (f"http://me:{PASSWORD} x@p:1", "percent-encode"),
        (f"http://me:{PASSWORD}é@p:1", "percent-encode"),
        (f"http://me:{PASSWORD}\r\n@p:1", "percent-encode"),
        ("proxy.test:3128", "has no scheme: write http:// before the host"),
        (f"me:{PASSWORD}@proxy.test:3128", "has no scheme: write http://"),
        ("ftp://proxy.test", "scheme 'ftp'; it must be one of http://, https://, socks5://"),
        ("socks4://proxy.test", "scheme 'socks4'; write socks5h://"),
        ("socks://proxy.test", "scheme 'socks'; write socks5h://"),
        ("http://", "has no host"),
        ("http://:3128", "has no host"),
        (f"http://me:{PASSWORD}@", "has no host"),
        ("http://p:0", "port 0"),
        ("http://p:65536", "is not a URL: check host and port"),
        (f"http://p:{PASSWORD}", "is not a URL: check host and port"),
        (f"http://[::1:{PASSWORD}", "is not a URL: check host and port"),
        (f"http://me:{PASSWORD}/x@p:1", "is not a URL|no path, query or fragment"),
        (f"http://p:1/{PASSWORD}", "no path, query or fragment"),
        (f"http://p:1?{PASSWORD}", "no path, query or fragment"),
        ("http://p:1?", "no path, query or fragment"),
        (f"http://p:1#{PASSWORD}", "no path, query or fragment"),
        (f"http://me:%FF{PASSWORD}@p:1", "percent-encoded UTF-8"),
        (f"http://a%3Ab:{PASSWORD}@p:1", "a user name with a colon"),
        (f"http://me:{PASSWORD}%0D%0A@p:1", "control character"),
        (f"socks5://me:{PASSWORD}%C3%A9@p:1", "must be ASCII"),
        (f"socks5://me:{PASSWORD * 30}@p:1", "no longer than 255"),
        ("socks5://me@p:1", "a user name and a password, or neither"),
    ],
)
def test_a_url_that_is_no_proxy_says_what_to_change(url: str, words: str) -> None:
    """The option is named; no error of Python's, which might repeat the password, hangs on."""
    with pytest.raises(ConfigError, match=words) as caught:
        parse_proxy(url, option="http_option")
    assert "http_option" in str(caught.value)
    assert PASSWORD not in f"{caught.value} {caught.value!r}"
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("url", [None, 5, b"http://p:1", ["http://p:1"]])
def test_an_option_of_another_type_is_refused(url: object) -> None:
    """Its type is told, not its contents."""
    with pytest.raises(ConfigError, match="proxy must be a string, got"):
        parse_proxy(url)


def test_socks_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told when the client is made, not when it connects."""
    original = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "python_socks" else original(name)
    )
    with pytest.raises(ConfigError, match=r"pip install 'pyresponses-ws\[socks\]'"):
        parse_proxy("socks5h://p:1")
    assert parse_proxy("http://p:1").port == 1


# --- by environment -------------------------------------------------------------------------------


def found(url: str) -> str | None:
    proxy = find_proxy(url, None)
    return None if proxy is None else str(proxy)


def test_without_variables_the_way_is_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual case; one that is set to nothing counts as none."""
    assert found("wss://api.test/v1") is None
    monkeypatch.setenv("HTTPS_PROXY", "")
    assert found("wss://api.test/v1") is None


@pytest.mark.parametrize(
    ("variable", "urls"),
    [
        ("HTTPS_PROXY", ["wss://a.test", "https://a.test"]),
        ("https_proxy", ["wss://a.test", "https://a.test"]),
        ("HTTP_PROXY", ["ws://a.test", "http://a.test"]),
        ("http_proxy", ["ws://a.test", "http://a.test"]),
        ("ALL_PROXY", ["ws://a.test", "http://a.test", "wss://a.test", "https://a.test"]),
        ("all_proxy", ["ws://a.test", "http://a.test", "wss://a.test", "https://a.test"]),
    ],
)
def test_a_variable_counts_for_its_schemes(
    variable: str, urls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A WebSocket takes the variable of the HTTP that it starts as; no other scheme takes it."""
    monkeypatch.setenv(variable, "http://p.test:3128")
    everything = ["ws://a.test", "http://a.test", "wss://a.test", "https://a.test"]
    assert [url for url in everything if found(url)] == [url for url in everything if url in urls]


def test_the_schemes_own_variable_goes_before_the_one_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ALL_PROXY fills what is not named."""
    monkeypatch.setenv("ALL_PROXY", "http://all.test:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://own.test:1")
    assert found("wss://a.test") == "http://own.test:1"
    assert found("ws://a.test") == "http://all.test:1"


def test_lower_case_goes_before_upper_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """As curl and requests have it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://upper.test:1")
    monkeypatch.setenv("https_proxy", "http://lower.test:1")
    assert found("wss://a.test") == "http://lower.test:1"


def test_upper_case_http_proxy_does_not_count_under_cgi(monkeypatch: pytest.MonkeyPatch) -> None:
    """There a request's ``Proxy`` header becomes HTTP_PROXY (CVE-2016-1000110)."""
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    monkeypatch.setenv("HTTP_PROXY", "http://evil.test:1")
    assert found("ws://a.test") is None
    monkeypatch.setenv("http_proxy", "http://own.test:1")
    assert found("ws://a.test") == "http://own.test:1"


def test_a_bare_host_in_a_variable_means_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many an administrator writes it, and so every HTTP client reads it."""
    monkeypatch.setenv("HTTPS_PROXY", f"me:{PASSWORD}@proxy.test:3128")
    proxy = find_proxy("wss://a.test", None)
    assert proxy == Proxy(
        scheme="http", host="proxy.test", port=3128, username="me", password=PASSWORD
    )


def test_given_proxy_counts_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY included, as with requests and httpx."""
    given = parse_proxy("http://given.test:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://p.test:1")
    monkeypatch.setenv("NO_PROXY", "*")
    assert find_proxy("wss://a.test", given) is given


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_bad_variable_is_named_as_it_is_spelled(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks for it must find it; its value is not shown."""
    monkeypatch.setenv(variable, f"socks://me:{PASSWORD}@p:1")
    with pytest.raises(ConfigError, match=f"^{variable} has the scheme 'socks'") as caught:
        find_proxy("wss://a.test", None)
    assert PASSWORD not in str(caught.value)


def test_a_bad_variable_of_another_scheme_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read that is not needed."""
    monkeypatch.setenv("HTTP_PROXY", "socks://p:1")
    assert found("wss://a.test") is None


def test_a_variable_names_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error at connecting says where the proxy came from."""
    monkeypatch.setenv("ALL_PROXY", "http://p.test:1")
    proxy = find_proxy("wss://a.test", None)
    assert proxy is not None
    assert proxy.source == "ALL_PROXY"


# --- NO_PROXY -------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy_takes_hosts_out(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both cases."""
    monkeypatch.setenv("ALL_PROXY", "http://p.test:1")
    monkeypatch.setenv(variable, "other.test, .corp.test")
    assert found("wss://api.corp.test/v1") is None
    assert found("wss://api.test/v1") == "http://p.test:1"


def test_a_bad_proxy_does_not_matter_where_no_proxy_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local server is reached though the proxy of the rest is wrong."""
    monkeypatch.setenv("ALL_PROXY", "socks://p:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert found("ws://127.0.0.1:8000/v1") is None


#: (NO_PROXY, URL, whether it is reached directly), as requests has it too.
AGREED = [
    ("*", "wss://a.test", True),
    ("a.test", "wss://a.test", True),
    ("a.test", "wss://b.a.test", True),
    ("a.test", "wss://ba.test", False),
    (".a.test", "wss://a.test", True),
    (".a.test", "wss://b.a.test", True),
    (".a.test", "wss://ba.test", False),
    ("A.Test", "wss://a.test", True),
    ("x.test,a.test", "wss://a.test", True),
    ("x.test , a.test", "wss://a.test", True),
    ("", "wss://a.test", False),
    (",", "wss://a.test", False),
    ("test", "wss://a.test", True),
    ("a.test:8443", "wss://a.test:8443", True),
    ("a.test:8443", "wss://a.test:9443", False),
    ("a.test:8443", "wss://a.test", False),
    ("a.test", "wss://a.test:8443", True),
    ("localhost", "ws://localhost:8000", True),
    ("localhost", "ws://127.0.0.1:8000", False),
    ("127.0.0.1", "ws://127.0.0.1:8000", True),
    ("127.0.0.1", "ws://127.0.0.2:8000", False),
    ("127.0.0.0/8", "ws://127.0.0.2:8000", True),
    ("10.0.0.0/8", "ws://127.0.0.2:8000", False),
    ("10.1.2.3/8", "ws://10.9.9.9", True),
    ("10.0.0.0/8", "ws://a.test", False),
]
#: Where requests stops short, and curl, Go or httpx do not.
FURTHER = [
    ("x.test *", "wss://a.test", True),
    ("x.test a.test", "wss://a.test", True),
    ("*.a.test", "wss://b.a.test", True),
    ("a.test.", "wss://a.test", True),
    ("a.test", "wss://a.test.", True),
    ("a.test:443", "wss://a.test", True),
    ("a.test:80", "ws://a.test", True),
    ("::1", "ws://[::1]:8000", True),
    ("[::1]", "ws://[::1]:8000", True),
    ("[::1]:8000", "ws://[::1]:8000", True),
    ("[::1]:8000", "ws://[::1]:8001", False),
    ("127.0.0.1:8000", "ws://127.0.0.1:8000", True),
    ("127.0.0.1:8000", "ws://127.0.0.1:8001", False),
    ("fd00::/8", "ws://[fd12::1]", True),
    ("fd00::/8", "ws://[fe80::1]", False),
    ("::/0", "ws://127.0.0.1", False),
    ("0.1", "ws://127.0.0.1", False),
    (".", "wss://a.test", False),
    ("[", "wss://a.test", False),
    ("a.test:port", "wss://a.test", False),
]


@pytest.mark.parametrize(("no_proxy", "url", "is_direct"), AGREED + FURTHER)
def test_no_proxy_fits(no_proxy: str, url: str, is_direct: bool) -> None:
    """Hosts with their subdomains, ports, addresses and networks, apart by commas or spaces."""
    assert is_bypassed(urlsplit(url), no_proxy) is is_direct


@pytest.mark.parametrize(("no_proxy", "url", "is_direct"), AGREED)
def test_no_proxy_fits_as_with_requests(
    no_proxy: str, url: str, is_direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One machine, one list: what goes directly with one client does so with the other."""
    monkeypatch.setenv("no_proxy", no_proxy)
    assert should_bypass_proxies(url.replace("ws", "http", 1), None) is is_direct
