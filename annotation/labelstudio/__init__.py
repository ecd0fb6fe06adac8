"""Label Studio: the only package that knows its server, its labelling configurations and its JSON."""
