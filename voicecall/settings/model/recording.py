"""The configuration's block `recording`: whether calls are recorded, how their consent is got, and where it is kept.

The ingress writes, workers join, the gateway reads: all three read this block.
"""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from voicecall.call.policy import Consent
from voicecall.manifests.fields import BaseUrl, Block, Secret, Text, whole

__all__ = ["NumberRecording", "Recording"]

_STORE: Final = r"^(?:s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[!-~]*)?|(?!\w+://)[^\s].*)$"


def _store(text: str) -> str:
    if not text.isprintable() or re.match(_STORE, text) is None:
        raise PydanticCustomError(
            "recording-store", "is no store; write the path of a directory, or s3://bucket/prefix"
        )
    return text


class NumberRecording(Block):
    """Of one of `numbers`. A key that is left out has its general value."""

    enabled: bool | None = None
    """As `recording.enabled`."""
    consent: Annotated[Consent, Strict(strict=False)] | None = None
    """As `recording.consent`."""


class Recording(Block):
    """Recording of calls over media streams, both sides in stereo: recording.md."""

    enabled: bool = False
    """Whether calls are recorded. Needs `streaming.enabled`."""
    consent: Annotated[Consent, Strict(strict=False)] = Consent.ANNOUNCE
    """`announce`: a phrase says so first; `ask`: only after a yes or key 1; `none`: nothing is said."""
    store: Annotated[str, AfterValidator(_store), WithJsonSchema({"type": "string", "pattern": _STORE})] | None = None
    """A directory that ingress, workers and gateway share, or `s3://bucket/prefix`; without it, one in `store`."""
    endpoint: BaseUrl | None = None
    """Address of an S3 store other than Amazon's."""
    region: Text | None = None
    """Region of the bucket; without it, `AWS_REGION`."""
    access_key_id: Secret = None
    """Key of the S3 store; without it, what the AWS variables of the environment or the machine's role give."""
    secret_access_key: Secret = None
    """Its secret."""
    format: Literal["wav"] = "wav"
    """WAV, 16 bit, 8 kHz: 1.9 MB a minute."""
    retention_days: Annotated[int, Field(ge=0, le=36_500), BeforeValidator(whole)] | None = None
    """How long recordings are kept; 0: for ever; without it, as `archive.retentionDays`."""
