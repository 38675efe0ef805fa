"""A block of the configuration that holds one further block per manifest.

Used by the settings, so that a provider's block needs no line there. Knows no provider.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from voicecall.manifests.fields import Block

__all__ = ["Composed"]

B = TypeVar("B", bound=Block)


class Composed(Block):
    """Subclass it with `blocks`, models by their key, and `after`, the field behind which they are inserted."""

    _names: ClassVar[dict[type[Block], str]] = {}

    def __init_subclass__(
        cls, *, blocks: Mapping[str, type[Block]] | None = None, after: str = "", **more: Any
    ) -> None:
        super().__init_subclass__(**more)
        # Runs before pydantic collects the fields. Their order is that of the schema and of `config show`.
        if not blocks:
            return
        written = list(cls.__annotations__.items())
        place = [name for name, _ in written].index(after) + 1 if after else 0
        cls.__annotations__ = dict([*written[:place], *blocks.items(), *written[place:]])
        for name, model in blocks.items():
            setattr(cls, name, model())
        cls._names = {model: name for name, model in blocks.items()}

    def block(self, model: type[B]) -> B:
        """The inserted block of that model. Raises KeyError for a model that was not inserted."""
        held: B = getattr(self, self._names[model])
        return held
