"""The one door to git: processes, objects, refs, the work tree, and the history of the code."""
