"""Labels in and out: other tools' file formats, pairs files, and a running Doccano server."""
