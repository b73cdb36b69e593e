"""Jobs and listeners collected under a prefix, to be included in a ``Rota``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, Unpack, overload

from rota.app.declaration import Declaration
from rota.app.handles import JobHandle
from rota.errors import ConfigError
from rota.model.policy import FUNCTION, WORD, JobPolicies, Kind

if TYPE_CHECKING:
    from rota.body.run import Run
    from rota.engine.events import Listener

P = ParamSpec("P")
R = TypeVar("R")
LISTENER = Kind(FUNCTION.read, "a function of one event")


class Untyped:
    """Nobody has one: a first parameter that takes it is of any type, and then callers are not checked."""


class Decorator(Protocol):
    """What ``@rota.job(…)`` is; callers of a job whose first parameter is the run do not give it."""

    @overload
    def __call__(self, function: Callable[Concatenate[Untyped, P], R], /) -> JobHandle[..., R, ...]: ...

    @overload
    def __call__(self, function: Callable[Concatenate[Run, P], R], /) -> JobHandle[P, R, Concatenate[Run, P]]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> JobHandle[P, R, P]: ...


class Collection:
    """What ``Rota`` and ``Blueprint`` share: the decorators."""

    @overload
    def job(self, name: Callable[Concatenate[Untyped, P], R], /) -> JobHandle[..., R, ...]: ...

    @overload
    def job(self, name: Callable[Concatenate[Run, P], R], /) -> JobHandle[P, R, Concatenate[Run, P]]: ...

    @overload
    def job(self, name: Callable[P, R], /) -> JobHandle[P, R, P]: ...

    @overload
    def job(self, name: str | None = None, **policies: Unpack[JobPolicies]) -> Decorator: ...

    def job(self, name: str | Callable[..., Any] | None = None, **policies: Any) -> Any:
        """Make a function a job: ``@rota.job``, ``@rota.job("name")`` or ``@rota.job("name", retry=…, …)``.

        The name is the one given, else the function's as it stands. The policies are the keys of ``JobPolicies``;
        docs/policies.md has them all, each with its default.
        """
        if callable(name):
            return self._declare(_name_of(name), name, Declaration({}))

        if name is not None:
            WORD.check("job", "name", name)
        declaration = self._declaration(policies)

        def decorate(function: Callable[..., Any]) -> JobHandle[Any, Any, Any]:
            FUNCTION.check("job", "function", function)
            return self._declare(name or _name_of(function), function, declaration)

        return decorate

    def on(self, kind: str) -> Callable[[Listener], Listener]:
        """Call the function with each event of a kind, or of a pattern such as ``run.*``, in this process."""

        if callable(kind):
            raise ConfigError("a listener is told which events are meant", hint='As in @rota.on("run.failed").')
        WORD.check("on", "kind", kind)

        def decorate(listener: Listener) -> Listener:
            LISTENER.check("on", "listener", listener)
            self._listen(kind, listener)
            return listener

        return decorate

    def _declaration(self, policies: dict[str, Any]) -> Declaration:
        return Declaration.read(policies)

    def _declare(self, name: str, function: Callable[..., Any], declaration: Declaration) -> JobHandle[Any, Any, Any]:
        raise NotImplementedError

    def _listen(self, kind: str, listener: Listener) -> None:
        raise NotImplementedError


class Blueprint(Collection):
    """Jobs under a prefix: ``Blueprint("shop").job("sync")`` is ``shop/sync`` once it is included.

    ``environments`` and ``queue`` hold for its jobs that name none themselves.
    """

    def __init__(self, prefix: str, *, environments: list[str] | None = None, queue: str | None = None) -> None:
        WORD.check("Blueprint", "prefix", prefix)
        if prefix.endswith("/"):
            raise ConfigError(f"{prefix!r} is no prefix", hint='Give a word, as in Blueprint("shop").')
        self.prefix = prefix
        self.declared: list[tuple[JobHandle[Any, Any, Any], Declaration]] = []
        self.listeners: list[tuple[str, Listener]] = []
        self.included = False
        self._defaults = {"environments": environments, "queue": queue}

    def _declaration(self, policies: dict[str, Any]) -> Declaration:
        defaults = {name: value for name, value in self._defaults.items() if value is not None}
        return super()._declaration(defaults | policies)

    def _declare(self, name: str, function: Callable[..., Any], declaration: Declaration) -> JobHandle[Any, Any, Any]:
        self._refuse_if_included(f"job {name!r}")
        handle: JobHandle[Any, Any, Any] = JobHandle(function, name)
        self.declared.append((handle, declaration))
        return handle

    def _listen(self, kind: str, listener: Listener) -> None:
        self._refuse_if_included(f"a listener to {kind!r}")
        self.listeners.append((kind, listener))

    def _refuse_if_included(self, what: str) -> None:
        if self.included:
            raise ConfigError(
                f"{what} comes too late: blueprint {self.prefix!r} was included already, and nobody would know of it",
                hint="Include a blueprint after its last job and listener: import their modules first.",
            )


def _name_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", "<lambda>")
    if name == "<lambda>":
        raise ConfigError(f"{function!r} has no name that a job could have", hint='Give one: rota.job("name")(…).')
    return str(name)
