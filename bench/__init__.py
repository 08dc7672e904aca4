"""Speed and size of the ledger, each beside a bare floor measured in the same run. `python -m bench --help`."""
