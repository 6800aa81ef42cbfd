"""A policy as people keep it: a folder that loads into a typed program with its lists and cases."""

from tidegate.rules.loading import Loaded, PolicyRefused, load_policy, read
from tidegate.rules.policy import Policy

__all__ = ["Loaded", "Policy", "PolicyRefused", "load_policy", "read"]
