"""What numbers mean: definitions and their identity, schema documents, validation, comparability.

Pure: values in, values out; the file system is read for shipped resources only.
"""
