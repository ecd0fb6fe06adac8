"""Jobs: what can be run as one, the process that runs one, and the gateway's part that starts them."""
