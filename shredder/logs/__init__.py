"""The whole flow for logs: read the policy, find what falls due, shred it, certify it."""
