"""What is claimed: the evidence log, the certificate made from it, and its verification."""
