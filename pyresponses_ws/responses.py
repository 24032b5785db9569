"""``client.responses``: the API by the official package's names, and its HTTP side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from pyresponses_ws import codec
from pyresponses_ws._runtime.api_call import APICall, fetch
from pyresponses_ws._runtime.api_request import APIRequest, make_query, response_path
from pyresponses_ws._runtime.event_feed import EventFeed
from pyresponses_ws._runtime.exchange import EVENT_STREAM
from pyresponses_ws._runtime.pool import Pool
from pyresponses_ws.errors import ConfigError
from pyresponses_ws.input_items import InputItems
from pyresponses_ws.items import CompactedResponse, Response
from pyresponses_ws.prepare import refuse_http_options
from pyresponses_ws.stored_stream import StoredStream
from pyresponses_ws.timeout import DEFAULT, Timeout, resolve_timeout

if TYPE_CHECKING:
    from pyresponses_ws.client import ResponsesClient


class Responses:
    """``client.responses``: code written for the official package moves over by one line.

    ``create``, ``stream`` and ``connect`` are the client's own. The rest goes over HTTP whatever
    the option ``transport`` says, since the API has no other way for it. ``timeout`` in seconds
    limits the whole call, attempts included (default ``Timeouts.create_total``; None: no limit).

    Any thread. Every method raises ConfigError for an argument that cannot be sent, ClosedError
    on a closed client, ConnectError, ConnectionLostError, APIError (NotFoundError for an id that
    the server does not know), ProtocolError, TurnTimeoutError, and TurnCancelledError when
    ``client.close()`` ends the call.
    """

    def __init__(self, client: ResponsesClient, pool: Pool) -> None:
        self.create = client.create
        self.stream = client.stream
        self.connect = client.connect
        #: What a stored response had as its input.
        self.input_items = InputItems(pool)
        self._pool = pool

    @overload
    def retrieve(
        self,
        response_id: str,
        *,
        include: Sequence[str] | None = ...,
        stream: Literal[False] = ...,
        starting_after: None = ...,
        timeout: Timeout = ...,
    ) -> Response: ...

    @overload
    def retrieve(
        self,
        response_id: str,
        *,
        include: Sequence[str] | None = ...,
        stream: Literal[True],
        starting_after: int | None = ...,
        timeout: Timeout = ...,
    ) -> StoredStream: ...

    @overload
    def retrieve(
        self,
        response_id: str,
        *,
        include: Sequence[str] | None = ...,
        stream: bool,
        starting_after: int | None = ...,
        timeout: Timeout = ...,
    ) -> Response | StoredStream: ...

    def retrieve(
        self,
        response_id: str,
        *,
        include: Sequence[str] | None = None,
        stream: bool = False,
        starting_after: int | None = None,
        timeout: Timeout = DEFAULT,
    ) -> Response | StoredStream:
        """Return a stored response, running or ended.

        With ``stream=True`` the iterator of its events, which the service keeps for responses that
        run in the background; ``starting_after`` is the ``sequence_number`` of the last event that
        is not wanted again. ``timeout`` then defaults to ``Timeouts.total``, which is no limit.
        """
        path = response_path(response_id)
        query = make_query(include=include, stream=stream or None, starting_after=starting_after)
        if stream:
            return self._follow(path, query, timeout)
        if starting_after is not None:
            raise ConfigError("starting_after needs stream=True")
        request = APIRequest(method="GET", path=path, query=query)
        return fetch(self._pool, request, Response, timeout=timeout)

    def delete(self, response_id: str, *, timeout: Timeout = DEFAULT) -> None:
        """Delete a stored response."""
        request = APIRequest(method="DELETE", path=response_path(response_id))
        # What comes, if anything, says no more than the status.
        APICall(self._pool, request, total=self._total(timeout)).fetch()

    def cancel(self, response_id: str, *, timeout: Timeout = DEFAULT) -> Response:
        """Cancel a response that runs in the background, and return it.

        A turn of this client is ended by ``stream.cancel()`` instead.
        """
        path = response_path(response_id) + "/cancel"
        request = APIRequest(method="POST", path=path, body=b"{}")
        return fetch(self._pool, request, Response, timeout=timeout)

    def compact(
        self,
        *,
        model: str,
        timeout: Timeout = DEFAULT,
        extra_body: Mapping[str, Any] | None = None,
        **conversation: Any,
    ) -> CompactedResponse:
        """Make a conversation short: ``input``, ``previous_response_id``, or both.

        The others are the wire's own too (``instructions``, ...); None means "not given". The
        ``output`` of what is returned starts a new conversation; see CompactedResponse.
        Raises UsageError for what cannot be JSON, naming the place.
        """
        body = _compact_body(model, conversation, extra_body)
        request = APIRequest(method="POST", path="/compact", body=body, answers_late=True)
        return fetch(self._pool, request, CompactedResponse, timeout=timeout)

    def _follow(
        self, path: str, query: Sequence[tuple[str, str]], timeout: Timeout
    ) -> StoredStream:
        timeouts = self._pool.config.timeouts
        request = APIRequest(method="GET", path=path, query=query, accept=EVENT_STREAM)
        total = resolve_timeout(timeout, default=timeouts.total)
        feed = EventFeed(APICall(self._pool, request, total=total, silence=timeouts.silence))
        feed.open()
        return StoredStream(feed)

    def _total(self, timeout: Timeout) -> float | None:
        return resolve_timeout(timeout, default=self._pool.config.timeouts.create_total)


def _compact_body(model: Any, conversation: Mapping[str, Any], extra_body: Any) -> bytes:
    if not isinstance(model, str) or not model:
        raise ConfigError("model is empty; name one, for example model='gpt-6-astra'")
    refuse_http_options(conversation)
    extra = extra_body or {}
    if not isinstance(extra, Mapping):
        raise ConfigError(f"extra_body must be a mapping, got {type(extra).__name__}")
    given = {name: value for name, value in conversation.items() if value is not None}
    return codec.dumps({"model": model, **given, **extra})
