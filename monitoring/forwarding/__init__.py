"""Forwarders: where questions for some names go, how their targets are, and which of them the name server is given."""
