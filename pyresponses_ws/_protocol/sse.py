"""Events of a ``text/event-stream`` as a client sees them. Pure."""

from __future__ import annotations

from itertools import repeat

from pyresponses_ws.errors import ProtocolError

_BOM = b"\xef\xbb\xbf"
#: What many servers send last. It is no JSON and says nothing that the terminal event has not said.
_DONE = "[DONE]"
_DATA = b"data: "


class SSEParser:
    """Turns the bytes of one stream into the texts of its events' data.

    By the rules of WHATWG HTML, "Interpreting an event stream": lines end with LF, CR or CRLF; one
    leading BOM, comments, unknown fields, ``id`` and ``retry`` count for nothing; the ``data``
    lines of an event are joined by LF; what no blank line has ended is no event. ``event`` counts
    for nothing either: the JSON names its type, and some servers leave the line out. ``[DONE]`` is
    skipped, and so is data without a character, which cannot be JSON.

    Takes bytes in pieces of any size and keeps what is incomplete. A fault is raised when what
    came before it has been returned, and again by every later call.

    ``max_event_bytes`` bounds the lines of one event, names and comments included.
    """

    def __init__(self, *, max_event_bytes: int | None = None) -> None:
        self._limit = max_event_bytes
        self._fault: ProtocolError | None = None
        # The start of the stream while it may still be a BOM; None once that is settled.
        self._start: bytes | None = b""
        # The last byte was a CR, already taken for the end of a line; a LF next belongs to it.
        self._skips_lf = False
        # The start of an incomplete event, in the pieces in which it came, with LF at its line
        # ends; joined only when the event is complete, so that a large one is not copied once a
        # read.
        self._pieces: list[bytes] = []
        self._held = 0

    def receive_data(self, data: bytes) -> list[str]:
        """Take what came and return the data of the events that it completes.

        Raises ProtocolError for data that is not UTF-8 and for an event over the limit.
        """
        texts: list[str] = []
        if self._fault is None:
            try:
                self._take(self._with_plain_lines(data), texts)
            except ProtocolError as exc:
                self._fault, self._pieces = exc, []
        if self._fault is not None and not texts:
            raise self._fault
        return texts

    def _with_plain_lines(self, data: bytes) -> bytes:
        """Take the BOM away, and let every line end with LF."""
        if self._start is not None:
            data = self._without_bom(self._start + data)
        if self._skips_lf and data:
            data, self._skips_lf = data.removeprefix(b"\n"), False
        if b"\r" in data:
            self._skips_lf = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _without_bom(self, data: bytes) -> bytes:
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._start = data
            return b""
        self._start = None
        return data.removeprefix(_BOM)

    def _take(self, data: bytes, texts: list[str]) -> None:
        """Add the texts of whole events; keep what is behind the last blank line."""
        if not self._pieces:
            data = data.lstrip(b"\n")  # a blank line between events says nothing
        end = data.rfind(b"\n\n") + 2
        if end == 1:  # none in here; but one may have begun with the last piece
            is_split = data.startswith(b"\n") and self._pieces[-1].endswith(b"\n")
            end = 1 if is_split else 0
        if end:
            whole = b"".join([*self._pieces, data[:end]])
            self._pieces, self._held = [], 0
            self._take_events(whole, texts)
        self._hold(data[end:])

    def _hold(self, rest: bytes) -> None:
        if rest:
            self._pieces.append(rest)
            self._held += len(rest)
            self._check_size(self._held)

    def _take_events(self, whole: bytes, texts: list[str]) -> None:
        """Add the texts of ``whole``, which starts with an event and ends with a blank line."""
        lines = whole.split(b"\n")
        lines.pop()
        # Without a bound that could be broken here, the few shapes of nearly all traffic need no
        # look at each line.
        if self._limit is None or len(whole) <= self._limit:
            for width in (3, 2):
                found = _read_uniform(lines, width)
                if found is not None:
                    texts += found
                    return
        self._take_lines(lines, texts)

    def _take_lines(self, lines: list[bytes], texts: list[str]) -> None:
        """Add the texts of any events, line by line."""
        values: list[bytes] = []
        size = 0
        for line in lines:
            if line:
                size += len(line) + 1
                self._check_size(size)
                _add_value(line, values)
                continue
            text = _decode(b"\n".join(values))
            if text not in ("", _DONE):
                texts.append(text)
            values, size = [], 0

    def _check_size(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            raise ProtocolError(f"an event is over {self._limit} bytes")


def _read_uniform(lines: list[bytes], width: int) -> list[str] | None:
    """Return the texts where each event is an ``event`` line (or none), ``data: `` and a blank.

    None where any is not. A constant number of calls for all of them: a loop over the lines would
    cost more than everything else that is done with an event here.
    """
    blanks, values = lines[width - 1 :: width], lines[width - 2 :: width]
    if len(blanks) * width != len(lines) or any(blanks):
        return None
    if not all(map(bytes.startswith, values, repeat(_DATA))):
        return None
    if width == 3 and not all(map(bytes.startswith, lines[::3], repeat(b"event:"))):
        return None
    try:
        texts = [str(value[6:], "utf-8") for value in values]
    except UnicodeDecodeError:  # found again at its place among the others
        return None
    return None if "" in texts or _DONE in texts else texts


def _add_value(line: bytes, values: list[bytes]) -> None:
    """Add the value of a ``data`` line; one space behind its colon is not part of it."""
    name, _, value = line.partition(b":")
    if name == b"data":
        values.append(value.removeprefix(b" "))


def _decode(value: bytes) -> str:
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError as exc:
        shown = value.decode("utf-8", "replace")
        raise ProtocolError("the data of an event is not UTF-8", text=shown) from exc
