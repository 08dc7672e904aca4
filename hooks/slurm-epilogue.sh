# Records a Slurm job when its batch script ends, whether it succeeds, fails, is preempted or runs out of time.
# Put it at the top of the batch script, sh or bash:
#
#   #SBATCH --signal=B:TERM@60        60 s are left for recording when the time is up
#   . /path/to/slurm-epilogue.sh
#   srun python train.py &
#   wait $!
#
# (`&` and `wait`: while a shell waits for a foreground program, it does not hear signals.)
# Params and metrics come from the files that .ledger/config.toml names under [record], or from
#   LEDGER_PARAMS=params.yaml LEDGER_METRICS=metrics.json
# The exit code is that of the script: recording never turns a good job into a bad one.
ledger_started=$(date -u +%Y-%m-%dT%H:%M:%SZ)
ledger_marker=$(mktemp "${TMPDIR:-/tmp}/ledger-slurm.XXXXXX")

# Metrics that an earlier job left are not this job's.
ledger_fresh() { [ -e "$1" ] && [ -n "$(find "$1" -newer "$ledger_marker" 2>/dev/null)" ]; }

ledger_epilogue() {
    ledger_code=$?
    trap - EXIT TERM INT HUP
    ledger_status=finished
    [ "$ledger_code" -eq 0 ] || ledger_status=failed
    [ "$ledger_code" -le 128 ] || ledger_status=killed
    set -- --status "$ledger_status" --started "$ledger_started" --tag "exit_code=$ledger_code"
    [ -z "${SLURM_JOB_NAME:-}" ] || set -- "$@" --name "$SLURM_JOB_NAME"
    [ -z "${SLURM_JOB_ID:-}" ] || set -- "$@" --tag "slurm_job=$SLURM_JOB_ID"
    [ -z "${SLURM_ARRAY_TASK_ID:-}" ] || set -- "$@" --tag "slurm_array_task=$SLURM_ARRAY_TASK_ID"
    [ -z "${SLURM_RESTART_COUNT:-}" ] || set -- "$@" --tag "slurm_restart=$SLURM_RESTART_COUNT"
    [ -z "${LEDGER_PARAMS:-}" ] || set -- "$@" --params "$LEDGER_PARAMS"
    if [ -n "${LEDGER_METRICS:-}" ]; then
        if ledger_fresh "$LEDGER_METRICS"; then
            set -- "$@" --metrics "$LEDGER_METRICS"
        else
            echo "ledger: $LEDGER_METRICS was not written by this job, and is left out" >&2
        fi
    fi
    (cd "${SLURM_SUBMIT_DIR:-.}" && ledger record "$@") || echo "ledger: the run was not recorded (see above)" >&2
    rm -f "$ledger_marker"
    exit "$ledger_code"
}
trap ledger_epilogue EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP
