"""One module for each kind of label: its screen, how it is read, checked and written, and its instruction form."""
