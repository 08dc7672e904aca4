# Rules for a Makefile that has a target `train`:
#
#   include ledger.mk
#
#   make run-train      runs the target as a run: recorded however it ends
#   make record         records what lies there, without running anything
LEDGER ?= ledger
LEDGER_PARAMS ?= params.yaml
LEDGER_METRICS ?= metrics.json
# Further options of both commands, such as --tag stage=sweep
LEDGER_FLAGS ?=

.PHONY: record
record:
	$(LEDGER) record --params $(LEDGER_PARAMS) --metrics $(LEDGER_METRICS) $(LEDGER_FLAGS)

run-%:
	$(LEDGER) run --params $(LEDGER_PARAMS) --metrics $(LEDGER_METRICS) $(LEDGER_FLAGS) -- $(MAKE) --no-print-directory $*
