"""The tree of keys, from the models: the blocks and fields by their path.

Used by messages, secret references, the schema and the table of all keys. `*` in a path stands for a key that the
operator chooses, as a number in `numbers`, and for the place in a list.
"""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from voicecall.manifests.fields import Block
from voicecall.settings.model.settings import Settings

__all__ = ["Path", "all_paths", "block_at", "blocks", "keys_of", "leaves"]

Path = tuple[str, ...]


def leaves(block: type[Block] = Settings, at: Path = ()) -> Iterator[tuple[Path, FieldInfo]]:
    """Every key that holds a value and not a block, in the model's order."""
    for name, field in block.model_fields.items():
        path = (*at, field.alias or name)
        inner, is_map = _inner(field.annotation)
        if inner is None:
            yield path, field
        else:
            yield from leaves(inner, (*path, "*") if is_map else path)


def block_at(path: Path) -> type[Block] | None:
    """The block at `path`; None for the path of a value, or of no key."""
    block: type[Block] | None = Settings
    chosen: type[Block] | None = None  # the block under any key, where the operator chooses the key
    for key in path:
        if chosen is not None:
            block, chosen = chosen, None
            continue
        if block is None:
            return None
        field = next((field for name, field in block.model_fields.items() if (field.alias or name) == key), None)
        inner, is_map = _inner(field.annotation) if field is not None else (None, False)
        block, chosen = (None, inner) if is_map else (inner, None)
    return block


def keys_of(block: type[Block]) -> list[str]:
    return [field.alias or name for name, field in block.model_fields.items()]


def all_paths(block: type[Block] = Settings) -> Iterator[Path]:
    """Every key with a fixed path, blocks included."""
    for name, field in block.model_fields.items():
        key = field.alias or name
        yield (key,)
        inner, is_map = _inner(field.annotation)
        if inner is not None and not is_map:
            yield from ((key, *rest) for rest in all_paths(inner))


def blocks(block: type[Block] = Settings) -> set[type[Block]]:
    """Every block, the outermost included."""
    inner = (_inner(field.annotation)[0] for field in block.model_fields.values())
    return {block}.union(*(blocks(each) for each in inner if each is not None))


def _inner(annotation: Any) -> tuple[type[Block] | None, bool]:
    """The block inside `Block`, `Block | None`, `dict[…, Block]` or `tuple[Block, …]`, and whether there are many."""
    if isinstance(annotation, type) and issubclass(annotation, Block):
        return annotation, False
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return _inner(inside[1])[0], True
    if origin is tuple:
        return _inner(inside[0])[0], True
    if origin is Annotated:
        return _inner(inside[0])
    if origin in {types.UnionType, Union}:
        found = [_inner(each) for each in inside if each is not type(None)]
        return found[0] if len(found) == 1 else (None, False)
    return None, False
