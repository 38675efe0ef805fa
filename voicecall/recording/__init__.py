"""Recordings of calls: segments while a call goes on, one stereo WAV file after it, in a directory or an S3 store.

Read in this order: `segments` (what an ingress writes, and its form), `placement` (where audio belongs in time), `wav`
(segments to a file), `store` (a directory), `s3`. The ingress writes segments, a worker joins them, the gateway reads.
"""

from voicecall.recording.opening import open_store
from voicecall.recording.store import RecordingStore

__all__ = ["RecordingStore", "open_store"]
