"""Diagnosis of an installation, for `voicecall doctor`: one file per subject, with its probe and its pure judgement.

`findings` runs them all. Nothing is changed, and no phone is called.
"""

from voicecall.doctor.examination import findings
from voicecall.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "findings"]
