"""What each problem means, and what to do about it: the words of a diagnosis, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Remedy(NamedTuple):
    """One sentence of what is wrong, and what to do; names in braces are filled in."""

    verdict: str
    advice: str


#: What keeps the TLS of a company out of programs until they are told about it.
_AUTHORITY = (
    "If your company or a security product reads TLS on the way, give its authority as ca_bundle"
    " or in SSL_CERT_FILE. If you know of none, do not connect from this network"
)
_NO_WEBSOCKET = "Check the path of base_url. {fallback}"
_CLOCK = "Check the clock of this machine; if it is right, whoever runs {peer} has to renew it"

OK = Remedy("The WebSocket to {peer} opened and stayed open.", "Nothing needs to be done.")

#: Fields: ``peer`` is host and port of the server, ``host`` its name alone, ``proxy`` and
#: ``proxy_source`` the proxy and what names it; ``issuer``, ``hosts``, ``valid_from`` and
#: ``valid_until`` are the certificate's; ``status`` is that of the answer, ``answered`` the same in
#: brackets, ``said`` the server's own words; ``reason`` what the system said; ``seconds`` the
#: connect timeout, ``wait`` when to try again; ``code`` and ``closing`` of a close; ``fallback``
#: what ``transport`` makes of it.
REMEDIES: Mapping[str, Remedy] = {
    "misconfigured": Remedy(
        "The configuration cannot be used: {reason}.", "Correct what is named there."
    ),
    "name_unknown": Remedy(
        "The name {host} cannot be resolved: {reason}.",
        "Check the spelling in base_url, and that this machine has a network and a name server.",
    ),
    "name_silent": Remedy(
        "DNS did not answer for {host} within {seconds} s.",
        "Check the name server of this machine, and the VPN if there is one.",
    ),
    "refused": Remedy(
        "{peer} refuses connections: nothing listens there.",
        "Check host and port of base_url, and that the server runs.",
    ),
    "silent": Remedy(
        "{peer} does not answer: what is sent there vanishes.",
        "A firewall probably drops it. Ask for a way out to {peer}, or go through a proxy (proxy=,"
        " HTTPS_PROXY).",
    ),
    "unreachable": Remedy(
        "{peer} cannot be reached: {reason}.",
        "Check the network of this machine, and host and port of base_url.",
    ),
    "proxy_unreachable": Remedy(
        "The proxy {proxy} cannot be reached: {reason}.",
        "Check {proxy_source}, which names it; a proxy that fails is never passed by.",
    ),
    "proxy_silent": Remedy(
        "The proxy {proxy} does not answer.",
        "Check {proxy_source}, which names it, and whether the proxy lets CONNECT to {peer}"
        " through.",
    ),
    "proxy_credentials": Remedy(
        "The proxy {proxy} asks for a user name and a password, or does not take these{answered}.",
        "Put them into {proxy_source} as scheme://user:password@host:port, percent-encoded.",
    ),
    "proxy_refuses": Remedy(
        "The proxy {proxy} does not connect to {peer}{answered}.",
        "Ask whoever runs it to allow CONNECT to {peer}; check {proxy_source}, which names it. A"
        " host in NO_PROXY is reached without it.",
    ),
    "proxy_lost": Remedy(
        "The proxy {proxy} does not get through to {peer}{answered}.",
        "Check base_url, and what the proxy may reach.",
    ),
    "proxy_untrusted": Remedy(
        "The certificate of the proxy {proxy} is not trusted; {issuer} issued it.",
        "Give the authority as ca_bundle or in SSL_CERT_FILE; the host must match too.",
    ),
    "untrusted": Remedy(
        "The certificate of {peer} is not trusted; {issuer} issued it.", f"{_AUTHORITY}."
    ),
    "wrong_name": Remedy(
        "{peer} shows a certificate for {hosts}, not for {host}.",
        "Check the host in base_url. If it is right, something on the way answers in its place.",
    ),
    "expired": Remedy("The certificate of {peer} expired on {valid_until}.", f"{_CLOCK}."),
    "not_yet_valid": Remedy(
        "The certificate of {peer} counts from {valid_from} only.", f"{_CLOCK}."
    ),
    "no_tls": Remedy(
        "{peer} does not speak TLS.",
        "Check the port of base_url. If it is meant to be in clear, write http:// (which goes to"
        " this machine only, unless allow_insecure=True).",
    ),
    "tls_silent": Remedy(
        "{peer} took the connection and never answered the TLS handshake.",
        "A firewall that reads TLS may hold it back; try from another network.",
    ),
    "tls_failed": Remedy(
        "The TLS handshake with {peer} failed: {reason}.",
        "Something on the way may cut TLS, or the server asks for a client certificate"
        " (client_cert) or speaks older versions than 1.2.",
    ),
    "client_cert_wanted": Remedy(
        "{peer} asks for a client certificate, and does not take what it got.",
        "Give certificate and key as client_cert.",
    ),
    "no_key": Remedy(
        "The way to {peer} is open; it asks for an API key, and none was given.",
        "Set OPENAI_API_KEY (the doctor: or the variable of --api-key-env) and look again.",
    ),
    "key_refused": Remedy(
        "{peer} was reached and does not take the API key (HTTP 401){said}.",
        "Check that the key is whole, not revoked, and of the right organization and project.",
    ),
    "forbidden": Remedy(
        "The API forbids this key to connect (HTTP 403){said}.",
        "Check what the key, its project and its region may use.",
    ),
    "gateway": Remedy(
        "Something before {peer} answers in its place and opens no WebSocket (HTTP {status}).",
        "A firewall, a proxy or a gateway lets HTTP through and WebSocket not: ask for WebSocket to"
        " {host}. {fallback}",
    ),
    "no_websocket": Remedy(
        "{peer} has no WebSocket at this path (HTTP {status}){said}.", _NO_WEBSOCKET
    ),
    "rate_limited": Remedy(
        "{peer} was reached and takes no more connections for now (HTTP 429){said}.",
        "Too many requests, or no quota left: try again {wait}.",
    ),
    "server_failed": Remedy(
        "{peer}, or a gateway before it, fails (HTTP {status}){said}.",
        "Try again {wait}. {fallback}",
    ),
    "redirected": Remedy(
        "{peer} redirects (HTTP {status}); no redirect is followed, since it would take the key"
        " along.",
        "Set base_url to the final address.",
    ),
    "not_upgraded": Remedy("{peer} did not open a WebSocket (HTTP {status}){said}.", _NO_WEBSOCKET),
    "upgrade_silent": Remedy(
        "{peer} took the request for a WebSocket and never answered it.",
        "A proxy or gateway on the way may hold WebSockets back. {fallback}",
    ),
    "upgrade_cut": Remedy(
        "{peer} cut the connection at the request for a WebSocket: {reason}.",
        "A firewall or gateway on the way may end WebSockets so, and a server that wants a client"
        " certificate (client_cert). {fallback}",
    ),
    "upgrade_failed": Remedy(
        "The WebSocket upgrade at {peer} failed: {reason}.",
        "Check scheme, host and port of base_url. {fallback}",
    ),
    "policy": Remedy(
        "{peer} opened the WebSocket and closed it at once (1008{closing}): this account or key may"
        " not use WebSocket there.",
        "Ask whoever runs the account. {fallback}",
    ),
    "closed_failing": Remedy(
        "{peer} opened the WebSocket and closed it at once as failing (1011{closing}).",
        "Check that the key or token is meant for this server (Azure closes so on a wrong"
        " audience); else try again later. {fallback}",
    ),
    "dropped": Remedy(
        "{peer} opened the WebSocket and cut it at once, without a word.",
        "A proxy or firewall on the way probably ends WebSockets. {fallback}",
    ),
    "not_websocket": Remedy(
        "{peer} opened a WebSocket and then spoke something else ({code}{closing}).",
        "Check base_url, and what gateway stands before the server. {fallback}",
    ),
    "closed_at_once": Remedy(
        "{peer} opened the WebSocket and closed it at once ({code}{closing}).",
        "Try again later. {fallback}",
    ),
}

#: What the option ``transport`` makes of a server without WebSocket.
FALLBACKS = {
    "auto": 'With transport="auto", as here, turns go over HTTP meanwhile.',
    "websocket": 'transport="auto" would use HTTP instead.',
    "http": 'With transport="http", as here, no WebSocket is needed.',
}
