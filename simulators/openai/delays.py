"""The script of a simulator that is as slow as a real service, to the millisecond. Pure.

For benchmarks and recordings: `POST /_sim/script` what `delays` gives, with `delay_ms` in the rules of `chat` for the
first token. The ledger has what each answer really took.
"""

from typing import Any

__all__ = ["delays"]


def delays(*, final_ms: float, audio_ms: float) -> dict[str, Any]:
    """The section that delays every final transcript and the first audio of every text."""
    rules = [{"where": "transcript", "do": {"delay_ms": final_ms}}, {"where": "speech", "do": {"delay_ms": audio_ms}}]
    return {"misbehave": rules}
