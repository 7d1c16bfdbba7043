"""Unattended, in the recovery image: a configuration, a countdown, the wipe, the certificate is outside."""
