"""Counts what a model really computes: each pass through it is one token more of one answer."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Any, Literal

from pyresponses_ws.server.engines.base import CancelToken, Delta, EngineRequest


class Passes:
    """Counts by the size of the prompt, from ``with`` on: give each answer a size of its own."""

    def __init__(self) -> None:
        # Guards the counters below; the threads that generate write.
        self._lock = threading.Lock()
        self._sizes: dict[int, int] = {}
        self._counts: Counter[int] = Counter()
        #: The models that were seen.
        self.models: set[int] = set()
        self._hook: Any = None

    def __enter__(self) -> Passes:
        from torch.nn.modules.module import register_module_forward_hook

        self._hook = register_module_forward_hook(self._note, with_kwargs=True)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._hook.remove()

    def all(self) -> dict[int, int]:
        """Return how many there were, by the size of the prompt."""
        with self._lock:
            return dict(self._counts)

    def of(self, size: int) -> int:
        """Return how many there were for a prompt of so many tokens."""
        return self.all().get(size, 0)

    def _note(self, module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        """Take what torch tells after each module; only a whole model has logits."""
        if not hasattr(output, "logits"):
            return
        thread = threading.get_ident()
        with self._lock:
            self.models.add(id(module))
            length = int(kwargs["input_ids"].shape[-1])
            if length > 1:  # The prompt; each pass after it brings the one token that is new.
                self._sizes[thread] = length
            self._counts[self._sizes[thread]] += 1


class Watched:
    """An engine that tells when the turns of another are cancelled, and that they have ended."""

    vets: Literal[True] = True

    def __init__(self, engine: Any, passes: Passes) -> None:
        self._engine = engine
        self._passes = passes
        #: The passes that were done when the turn was cancelled, by the user's words.
        self.at_cancel: dict[str, dict[int, int]] = {}
        #: The words of turns that have ended; the threads of the turns write.
        self.ended: list[str] = []

    def models(self) -> Sequence[str]:
        """Return the other's."""
        names: Sequence[str] = self._engine.models()
        return names

    def run(self, request: EngineRequest, cancel: CancelToken) -> Generator[Delta, None, None]:
        """Run the other's, watched."""
        words = str(request.settings["input"])
        cancel.on_cancel(lambda: self._note(words))
        try:
            yield from self._engine.run(request, cancel)
        finally:
            self.ended.append(words)

    def _note(self, words: str) -> None:
        self.at_cancel[words] = self._passes.all()
