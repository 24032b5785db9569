"""What a ``FaultProxy`` can do to a connection, and from which moment on.

Everything here is plain data, checked when it is made. ``up`` is from client to server, ``down``
from server to client.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from pyresponses_ws.config import check_seconds
from pyresponses_ws.errors import ConfigError

Way = Literal["up", "down"]
Ways = Literal["up", "down", "both"]

#: Bytes of what has passed that are kept, in each direction, to be said again.
DUPLICATE_LIMIT = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong. Raises ConfigError, naming the field, for a value that cannot be."""

    def _reject(self, name: str, needs: str) -> ConfigError:
        value = getattr(self, name)
        return ConfigError(f"{type(self).__name__}.{name} must be {needs}, got {value!r}")

    def _check_choice(self, name: str, choices: tuple[str, ...]) -> None:
        if getattr(self, name) not in choices:
            raise self._reject(name, " or ".join(f'"{choice}"' for choice in choices))

    def _check_count(self, name: str, least: int, most: float = float("inf")) -> None:
        value = getattr(self, name)
        is_count = isinstance(value, int) and not isinstance(value, bool)
        if not is_count or not least <= value <= most:
            upper = "" if most == float("inf") else f" and at most {most}"
            raise self._reject(name, f"a whole number of at least {least}{upper}")


@dataclass(frozen=True, kw_only=True)
class ConnectionFault(Fault):
    """Base of what happens to one connection, from a moment on.

    The moment is when ``after_bytes`` bytes, ``after_frames`` WebSocket frames (of any kind, the
    handshake not counted) or the text ``after_text`` have passed in the direction ``watch``; with
    none of them it is the first. All of that still arrives, and nothing behind it does unharmed.
    A text is looked for in the payloads of frames, and outside of WebSocket in the bytes as they
    are; its moment is the end of its frame, or else the next blank line, which ends a server-sent
    event and a head of HTTP. In TLS only bytes can be counted.

    ``watch`` is the direction that the fault is about; ``down`` if it is about both.
    """

    after_bytes: int | None = None
    after_frames: int | None = None
    after_text: str | bytes | None = None
    watch: Way | None = None

    def __post_init__(self) -> None:
        given = [name for name in self._moments() if getattr(self, name) is not None]
        if len(given) > 1:
            names = " and ".join(given)
            raise ConfigError(f"{type(self).__name__} takes one of {names}, not both")
        for name in given:
            self._check_moment(name)
        if self.watch is not None:
            self._check_choice("watch", ("up", "down"))

    def _moments(self) -> list[str]:
        return [item.name for item in fields(self) if item.name.startswith("after_")]

    def _check_moment(self, name: str) -> None:
        if name != "after_text":
            self._check_count(name, 0)
        elif not isinstance(self.after_text, (str, bytes)) or not self.after_text:
            raise self._reject(name, "a text that is not empty")

    @property
    def watched(self) -> Way:
        """The direction in which the moment is looked for."""
        way: Any = getattr(self, "way", "down")
        return self.watch or ("up" if way == "up" else "down")

    @property
    def is_at_once(self) -> bool:
        """Nothing need pass before it starts."""
        return not (self.after_bytes or self.after_frames or self.after_text)


@dataclass(frozen=True, kw_only=True)
class _OneWay(ConnectionFault):
    """Base of what harms one direction, ``way``."""

    way: Way = "down"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choice("way", ("up", "down"))


@dataclass(frozen=True, kw_only=True)
class _AnyWay(ConnectionFault):
    """Base of what harms one direction or both, ``way``."""

    way: Ways = "both"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choice("way", ("up", "down", "both"))


@dataclass(frozen=True, kw_only=True)
class Cut(ConnectionFault):
    """End both directions with a FIN, as if each end had left; what they still say is dropped."""


@dataclass(frozen=True, kw_only=True)
class Reset(ConnectionFault):
    """End the connection with an RST to both ends; what they had not taken yet is lost.

    At once, it is a server that accepts and resets.
    """


@dataclass(frozen=True, kw_only=True)
class HalfClose(_OneWay):
    """End one direction with a FIN; the other goes on."""


@dataclass(frozen=True, kw_only=True)
class Stall(_AnyWay):
    """Pass nothing on, and keep the connection open, until ``heal``.

    At once, it is a server that accepts and keeps silent. What the ends say waits: some here, the
    rest in the kernel, which in the end takes nothing more.
    """


@dataclass(frozen=True, kw_only=True)
class Delay(_AnyWay):
    """Pass everything on ``seconds`` later."""

    seconds: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_seconds("Delay.seconds", self.seconds, optional=False)


@dataclass(frozen=True, kw_only=True)
class Trickle(_AnyWay):
    """Pass on ``size`` bytes at a time, and rest ``pause`` seconds after each."""

    size: int = 1
    pause: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_count("size", 1)
        check_seconds("Trickle.pause", self.pause, optional=False)


@dataclass(frozen=True, kw_only=True)
class Duplicate(_OneWay):
    """Say again what passed last: the frame (outside of WebSocket the event), or ``length`` bytes.

    In the middle of a frame it waits for the end. A frame over 256 KiB is not said again.
    """

    length: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length is not None:
            self._check_count("length", 1, DUPLICATE_LIMIT)


@dataclass(frozen=True, kw_only=True)
class Corrupt(_OneWay):
    """Invert every bit of the next ``length`` bytes, after ``skip`` bytes that pass unharmed."""

    length: int = 1
    skip: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_count("length", 1)
        self._check_count("skip", 0)


@dataclass(frozen=True, kw_only=True)
class Refuse(Fault):
    """Refuse to be connected to: nobody listens at the port."""


@dataclass(frozen=True, kw_only=True)
class BlackHole(Fault):
    """Leave whoever connects without an answer, by a queue of connections that is full.

    Linux lets connects hang then; other systems may refuse them.
    """
