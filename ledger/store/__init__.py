"""Storage: records and files, the spool, the chains, the index."""
