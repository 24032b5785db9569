"""The embedded server: the Responses API on loopback, for development, tests and demos.

Needs the ``server`` extra. ``core`` decides and is pure; ``engines`` make the answers, each on a
thread of its own; the modules beside them are one event loop, the only asyncio in the package.
"""
