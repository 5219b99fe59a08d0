"""Recovers Amazon ECS tasks whose RunTask call failed. Start with ``core/recovery.py``."""

__version__ = "0.1.0"
