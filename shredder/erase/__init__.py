"""Doing it: open a medium, overwrite it, flush, read it back; one worker process a device."""
