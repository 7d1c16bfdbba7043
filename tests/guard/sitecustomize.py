"""Loaded by every Python whose PYTHONPATH leads here: the guard stands before a program begins."""

import device_guard  # type: ignore[import-not-found]  # it lies beside this file, on PYTHONPATH

device_guard.install()
