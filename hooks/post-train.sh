#!/bin/sh
# Runs a training command and records what it leaves, whether it succeeds or dies:
#
#   post-train.sh python train.py --lr 0.1
#
# Params and metrics come from the files that .ledger/config.toml names under [record], or from
#   LEDGER_PARAMS=params.yaml LEDGER_METRICS=metrics.json
# The exit code is that of the training command: recording never turns a good run into a bad one.
set -u
[ $# -gt 0 ] || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }

started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
marker=$(mktemp "${TMPDIR:-/tmp}/ledger-post-train.XXXXXX")
trap 'rm -f "$marker"' EXIT
"$@"
code=$?

# Metrics that an earlier run left are not this run's.
fresh() { [ -e "$1" ] && [ -n "$(find "$1" -newer "$marker" 2>/dev/null)" ]; }

status=finished
[ "$code" -eq 0 ] || status=failed
[ "$code" -le 128 ] || status=killed
command_line=$*
set -- --status "$status" --started "$started" --command "$command_line" --tag "exit_code=$code"
[ -z "${LEDGER_PARAMS:-}" ] || set -- "$@" --params "$LEDGER_PARAMS"
if [ -n "${LEDGER_METRICS:-}" ]; then
    if fresh "$LEDGER_METRICS"; then
        set -- "$@" --metrics "$LEDGER_METRICS"
    else
        echo "ledger: $LEDGER_METRICS was not written by this run, and is left out" >&2
    fi
fi
ledger record "$@" || echo "ledger: the run was not recorded (see above)" >&2
exit "$code"
