"""The parts of `benchmarks/fanout_bench.py`: the servers it compares, the subscribers, the publishers."""
