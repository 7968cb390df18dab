"""The pack's part of the checks: rules of state for all resources of a contract."""

from mockserver.apis.resources.check import change_rules
from mockserver.apis.resources.check.driver import ResourceDriver, subjects
from mockserver.apis.resources.check.rules import STATE
from mockserver.check.part import CheckPart

__all__ = ["PART", "change_rules"]

PART = CheckPart(state=STATE, driver=ResourceDriver, subjects=subjects)
