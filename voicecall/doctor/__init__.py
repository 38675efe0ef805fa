"""What ails this house: one file per subject, each a pure judgement of what was seen, beside the looking itself.

`findings` runs them all; `voicecall doctor` prints. Changes nothing, calls nobody.
"""

from voicecall.doctor.examination import findings
from voicecall.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "findings"]
