"""A git-native, versioned experiment ledger for people who train models."""
