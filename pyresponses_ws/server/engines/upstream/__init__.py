"""The engine of ``upstream:URL``: any HTTP Responses server gets the WebSocket mode."""
