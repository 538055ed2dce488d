"""The command line: one file per command family, thin; each imports what it needs when it is called."""
