"""The rules of state and meaning, for a server that keeps sessions: each one function, with its sentence."""

from mockserver.apis.llamacloud_chat.check import load_checks as traffic_rules
from mockserver.apis.llamacloud_chat.check import session_checks as session_rules
from mockserver.apis.llamacloud_chat.check.driver import STATE

__all__ = ["STATE", "session_rules", "traffic_rules"]
