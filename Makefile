# A thin layer over tools/dev.py, which works without make as well. Example: make test ARGS="tests/zones -k serial"
# Recipes are single simple commands, so that make starts them without a shell and passes SIGTERM on to them.

.PHONY: run test check bench soak lock

run test check bench soak lock:
	@python3 tools/dev.py $@ $(ARGS)
