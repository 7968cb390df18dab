"""The rules of state and meaning, for a server that keeps sessions: each one function, with its sentence."""

from mockserver.check import session_rules, traffic_rules
from mockserver.check.state_base import STATE

__all__ = ["STATE", "session_rules", "traffic_rules"]
