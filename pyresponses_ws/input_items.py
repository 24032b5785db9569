"""The items that a stored response had as its input, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pyresponses_ws._runtime.api_call import fetch
from pyresponses_ws._runtime.api_request import APIRequest, make_query, response_path
from pyresponses_ws._runtime.pool import Pool
from pyresponses_ws.errors import ProtocolError
from pyresponses_ws.items import ResponseItemList
from pyresponses_ws.timeout import DEFAULT, Timeout

if TYPE_CHECKING:
    from pyresponses_ws.items import ResponseItem


class InputItems:
    """``client.responses.input_items``: the items that a stored response had as its input.

    ``order`` is ``asc`` or ``desc`` (the newest first, and the default); ``limit`` is the size of
    a page, 1 to 100, and 20 if left out; ``after`` is the id of the item before the first.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def __call__(
        self,
        response_id: str,
        *,
        after: str | None = None,
        include: Sequence[str] | None = None,
        limit: int | None = None,
        order: Literal["asc", "desc"] | None = None,
        timeout: Timeout = DEFAULT,
    ) -> Iterator[ResponseItem]:
        """Iterate over the items; each page is asked for when its first item is."""
        # Now, and not with the first item: a mistake is best met where it was made.
        response_path(response_id)
        make_query(include=include)

        def iterate() -> Iterator[ResponseItem]:
            yield from self.list(
                response_id,
                after=after,
                include=include,
                limit=limit,
                order=order,
                timeout=timeout,
            )

        return iterate()

    def list(
        self,
        response_id: str,
        *,
        after: str | None = None,
        include: Sequence[str] | None = None,
        limit: int | None = None,
        order: Literal["asc", "desc"] | None = None,
        timeout: Timeout = DEFAULT,
    ) -> InputItemPage:
        """Return one page, which iterates over its own items and those of all later pages.

        ``timeout`` counts for each page.
        """
        path = response_path(response_id) + "/input_items"
        query = make_query(include=include, limit=limit, order=order)

        def fetch_page(cursor: str | None) -> InputItemPage:
            asked = [*query, *make_query(after=cursor)]
            request = APIRequest(method="GET", path=path, query=asked)
            return InputItemPage(
                fetch(self._pool, request, ResponseItemList, timeout=timeout), fetch_page
            )

        return fetch_page(after)


class InputItemPage:
    """One page of input items; iteration goes on with the pages behind it."""

    def __init__(self, page: ResponseItemList, fetch_page: Callable[[str], InputItemPage]) -> None:
        #: The page as it came.
        self.page = page
        self._fetch_page = fetch_page

    def __repr__(self) -> str:
        return f"InputItemPage(items={len(self.data)}, has_more={self.has_more})"

    def __iter__(self) -> Iterator[ResponseItem]:
        page: InputItemPage | None = self
        while page is not None:
            yield from page.data
            page = page.get_next_page()

    @property
    def data(self) -> list[ResponseItem]:
        """The items of this page alone."""
        # A server may have sent anything.
        items: Any = self.page.data
        return items if isinstance(items, list) else []

    @property
    def has_more(self) -> bool:
        """There are items behind this page."""
        return bool(self.page.has_more)

    @property
    def first_id(self) -> str | None:
        """Id of the first item here; None on an empty page."""
        return self.page.first_id

    @property
    def last_id(self) -> str | None:
        """Id of the last item here, after which the next page begins; None on an empty page."""
        last = self.data[-1] if self.data else None
        return self.page.last_id or getattr(last, "id", None)

    def get_next_page(self) -> InputItemPage | None:
        """Ask for the page behind this one; None if there is none.

        Raises ProtocolError when the server tells the same page again, which would never end.
        """
        cursor = self.last_id
        if not self.has_more or not self.data or cursor is None:
            return None
        page = self._fetch_page(cursor)
        if page.last_id == cursor:
            raise ProtocolError("the server answers with the same page of input items again")
        return page
