#!/bin/sh
# The image's entry point: secrets become settings, an empty volume becomes a workspace, then the command runs.
# A secret is a file named after the variable, such as /run/secrets/DOYEN_SERVING__API_KEY.
set -eu
for file in "${DOYEN_SECRETS_FOLDER:-/run/secrets}"/DOYEN_*; do
    if [ -f "$file" ]; then
        export "$(basename "$file")=$(cat "$file")"
    fi
done
unset DOYEN_SECRETS_FOLDER
if [ ! -e "$WORKSPACE/doyen.toml" ]; then
    doyen init "$WORKSPACE" >&2
fi
exec "$@"
