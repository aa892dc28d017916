"""Detection on the query stream: detectors that count, a watch that feeds them, and findings that become alerts.

A detector is one small class with thresholds in `conf.py`. It hears blocks of lines in columns, because a busy server writes
more than 100,000 a second, and concludes at the end of each of its windows. What it keeps is bounded, and where it looks
at a sample only, the evidence says so.
"""
