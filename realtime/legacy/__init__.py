"""Quarantine: the five sockets of the old system, kept alive for clients that have not moved yet.

It listens to the same connections, routes and rights as everything else and only puts the old dress on what comes; it
emits nothing. To be rid of it, delete this folder, `tests/legacy/`, and every line of code that says `LEGACY`.
"""
