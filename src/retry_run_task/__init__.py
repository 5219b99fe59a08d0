"""Recovers Amazon ECS tasks whose RunTask call failed. Start with ``recovery/loop.py``."""

__version__ = "0.1.0"
