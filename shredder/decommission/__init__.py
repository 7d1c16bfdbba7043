"""The whole flow for disks: look, plan, erase, verify, certify."""
