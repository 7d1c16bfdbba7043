"""What systemd makes of our units: its own check, and a booted Debian."""
