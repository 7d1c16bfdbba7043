"""The certificate leaves the machine: the ways out, one module each, and how often they are tried."""
