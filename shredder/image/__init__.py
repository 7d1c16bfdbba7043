"""The recovery image: built from a lock file, to the bit the same everywhere."""
