"""Jobs and listeners collected under a prefix, to be included in a ``Rota``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

from rota.app.checks import check_policies
from rota.app.declaration import Declaration
from rota.app.handles import JobHandle
from rota.engine.events import Listener
from rota.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")


class Collection:
    """What ``Rota`` and ``Blueprint`` share: the decorators."""

    def __init__(self) -> None:
        self.declared: list[tuple[JobHandle[Any, Any], Declaration]] = []

    @overload
    def job(self, name: Callable[P, R]) -> JobHandle[P, R]: ...

    @overload
    def job(self, name: str | None = None, **policies: Any) -> Callable[[Callable[P, R]], JobHandle[P, R]]: ...

    def job(self, name: str | Callable[..., Any] | None = None, **policies: Any) -> Any:
        """Make a function a job: ``@rota.job``, ``@rota.job("name")`` or ``@rota.job("name", retry=…, …)``.

        The name is the one given, else the function's as it stands. Policies, each with its default:

        ``schedule=None``           when it is due by itself: ``cron(…)``, ``every(…)``, ``at(…)``, ``any_of(…)``
        ``arguments={}``            what its scheduled runs are given
        ``retry=Retry()``           3 attempts; an int is short for ``Retry(attempts=…)``
        ``timeout=600``             seconds until the body is told to stop; ``None``: never
        ``overlap="skip"``          a due moment meeting an earlier run: also ``queue_one``, ``queue_all``,
                                    ``cancel_running``, ``allow``
        ``catch_up="latest"``       due moments that were missed: also ``none``, ``all``; within ``catch_up_window``
                                    (a day, or one period if longer), at most ``catch_up_cap=100``
        ``jitter=0``                starts are spread over so long after the due moment
        ``queue="default"``, ``priority=0`` (lower is sooner)
        ``concurrency=None``        runs at one time, over all nodes; with ``concurrency_key=function`` of the
                                    arguments, per key
        ``rate=None``               starts in a time, over all nodes: ``"100/m"``
        ``environments=None``       where it runs by itself, if the ``Rota`` has an environment
        ``destructive=False``, ``sends=False``  in staging the first only looks, the second keeps still
        """
        if callable(name):
            return self._declare(name.__name__, name, Declaration())

        declaration = self._declaration(policies)

        def decorate(function: Callable[P, R]) -> JobHandle[P, R]:
            return self._declare(name or function.__name__, function, declaration)

        return decorate

    def on(self, kind: str) -> Callable[[Listener], Listener]:
        """Call the function with each event of a kind, or of a pattern such as ``run.*``, in this process."""

        def decorate(listener: Listener) -> Listener:
            self._listen(kind, listener)
            return listener

        return decorate

    def _declaration(self, policies: dict[str, Any]) -> Declaration:
        unknown = sorted(policies.keys() - Declaration.__dataclass_fields__.keys())
        if unknown:
            known = ", ".join(Declaration.__dataclass_fields__)
            raise ConfigError(f"job() takes no policy {unknown[0]!r}", hint=f"There are: {known}.")
        check_policies(policies)
        return Declaration(**policies)

    def _declare(self, name: str, function: Callable[P, R], declaration: Declaration) -> JobHandle[P, R]:
        handle = JobHandle(function, name)
        self.declared.append((handle, declaration))
        return handle

    def _listen(self, kind: str, listener: Listener) -> None:
        raise NotImplementedError


class Blueprint(Collection):
    """Jobs under a prefix: ``Blueprint("shop").job("sync")`` is ``shop/sync`` once it is included.

    ``environments`` and ``queue`` hold for its jobs that name none themselves.
    """

    def __init__(self, prefix: str, *, environments: list[str] | None = None, queue: str | None = None) -> None:
        super().__init__()
        if not prefix or prefix.endswith("/"):
            raise ConfigError(f"{prefix!r} is no prefix", hint='Give a word, as in Blueprint("shop").')
        self.prefix = prefix
        self.listeners: list[tuple[str, Listener]] = []
        self._defaults = {"environments": environments, "queue": queue}

    def _declaration(self, policies: dict[str, Any]) -> Declaration:
        defaults = {name: value for name, value in self._defaults.items() if value is not None}
        return super()._declaration(defaults | policies)

    def _listen(self, kind: str, listener: Listener) -> None:
        self.listeners.append((kind, listener))
