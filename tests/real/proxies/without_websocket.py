"""An addon for mitmproxy: HTTP passes, a WebSocket upgrade is refused with a page, as firms do."""

from __future__ import annotations

from typing import Any


def request(flow: Any) -> None:
    """Answer upgrades in place of the server."""
    if flow.request.headers.get("upgrade", "").lower() == "websocket":
        # The module is there only where mitmproxy runs this.
        from mitmproxy import http

        page = b"<html>WebSockets are not allowed here</html>"
        flow.response = http.Response.make(403, page, {"Content-Type": "text/html"})
