"""Request bodies from prompt functions and their arguments."""
