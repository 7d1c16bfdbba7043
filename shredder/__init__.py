"""shredder overwrites disks, verifies what it wrote, and signs a certificate of it."""

__version__ = "0.1.0"
