"""What every statistic returns: figures to compare, and the words for them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NoReturn


@dataclass(frozen=True, kw_only=True)
class Result:
    """A statistic's figures; frozen, finite, and no truth value of its own.

    Attributes:
        effect: the size of what was found, in the unit its class names; `None` where it is undefined.
        interval: its 95 % interval unless the class says otherwise.
        p_value: of the null hypothesis; `None` where nothing is tested.
        null: the null hypothesis, and how it was drawn.
        n: how many answers (or cells, where the class says so) it rests on.
        seed: of the random numbers; `None` where there are none.
    """

    effect: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    null: str
    n: int
    seed: int | None

    COMPARE: ClassVar[str]
    """An assertion that a test can hold it to."""

    FIGURES: ClassVar[tuple[str, ...]] = ()
    """Properties that `to_dict` adds to the fields."""

    def __bool__(self) -> NoReturn:
        name = type(self).__name__
        article = "an" if name[0] in "AEIOU" else "a"
        raise TypeError(f"{article} {name} is neither true nor false; compare its figures: {self.COMPARE}")

    def explain(self) -> str:
        """The result in words."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """All figures, as JSON knows them."""
        figures = {name: getattr(self, name) for name in self.FIGURES}
        return {name: _plain(value) for name, value in {**asdict(self), **figures}.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def shown(interval: tuple[float, float] | None, digits: int = 3) -> str:
    """An interval in words: `95 %: 0.1 to 0.2`."""
    return "no interval" if interval is None else f"95 %: {interval[0]:.{digits}f} to {interval[1]:.{digits}f}"


def listed(names: list[str] | tuple[str, ...], limit: int = 5) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
