"""The OpenAI Responses API over one WebSocket, for programs that are not asynchronous."""

from pyresponses_ws.version import __version__ as __version__
