"""How results look: tables, marks, documents, the pager. Values in, text out; nothing here reads a repository."""
