"""Sharing: fetch, pull and push of runs, and what is wrong with a clone. See docs/design/sync.md."""
