"""Reads language tags (BCP 47). Pure."""

__all__ = ["primary_subtag"]


def primary_subtag(tag: str) -> str:
    """The language of a tag, in small letters: `de` of `de-CH` and of `de_CH`."""
    return tag.replace("_", "-").partition("-")[0].strip().lower()
