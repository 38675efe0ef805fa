"""Where commands to calls are handed in: what a door does on the bus for its local callers."""

from voicecall.desk.desk import Begun, Desk, Outcome, Patience
from voicecall.desk.placing import KEYS, LONGEST_KEY, LONGEST_MESSAGE, Order

__all__ = ["KEYS", "LONGEST_KEY", "LONGEST_MESSAGE", "Begun", "Desk", "Order", "Outcome", "Patience"]
