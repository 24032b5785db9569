"""Attributes of wire objects that a key from the wire cannot hide.

A wire object's ``__dict__`` is the JSON object itself, and instance attributes win over methods;
but data descriptors win over both. So what must not be hidden is one.
"""

from __future__ import annotations

from dataclasses import MISSING
from typing import Any, TypeVar, cast

F = TypeVar("F")


class Guarded:
    """A function as a data descriptor, which comes before the instance's ``__dict__``."""

    def __init__(self, function: Any) -> None:
        self._function = function
        wrapped = getattr(function, "__func__", function)
        self._name = wrapped.__name__
        self.__doc__ = wrapped.__doc__

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self._function.__get__(instance, owner)

    def __set__(self, instance: object, value: object) -> None:
        raise AttributeError(f"{self._name!r} of {type(instance).__name__!r} cannot be set")


def guarded(method: F) -> F:
    """Keep a wire key of the same name from hiding ``method``."""
    return cast(F, Guarded(method))


class ClassValue:
    """An attribute of the class that a wire key cannot hide from an instance."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self._value

    def __set__(self, instance: object, value: object) -> None:
        raise AttributeError(f"{type(instance).__name__!r} cannot change its class")


class Renamed:
    """A field whose wire key is not its attribute name."""

    def __init__(self, key: str, default: Any) -> None:
        self.key = key
        self._default = default

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is not None:
            return instance.__dict__.get(self.key)
        if self._default is MISSING:
            raise AttributeError(f"{owner.__name__} has no default for {self.key!r}")
        return self._default

    def __set__(self, instance: object, value: Any) -> None:
        instance.__dict__[self.key] = value

    def __delete__(self, instance: object) -> None:
        if self.key not in instance.__dict__:
            raise AttributeError(self.key)
        del instance.__dict__[self.key]


def renamed(key: str, *, default: Any = MISSING) -> Any:
    """Declare a field whose wire key is a Python keyword or the name of a method."""
    return Renamed(key, default)
