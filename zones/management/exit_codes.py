"""What the exit codes of all `zone_*` commands mean; 0 is done, or nothing to do. Wrong options end with 2, as of any program
that argparse reads them for, before anything is looked at."""

REFUSED = 1
"""Not possible as asked, and nothing was changed: no such zone, a file or records that break the rules, an outdated basis."""
DIFFERS = 2
"""What is there is something else than wanted, and was left so: nobody said that it may be replaced, or only looked."""
NOT_SERVED = 3
"""The name server does not serve it: it was not reached in time, or refused."""
