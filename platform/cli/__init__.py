"""The command line: one file for each subcommand, all behind ``doyen``."""
