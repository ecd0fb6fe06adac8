#!/bin/sh
# Print what the tests may not leave out on this machine, as variables: what it can have is required, the rest is
# named in the summary of the tests.
set -eu
data=${DOYEN_DATA:-../shared/data}
required="DOYEN_REQUIRE_LABEL_STUDIO=1 DOYEN_REQUIRE_BROWSER=1 DOYEN_REQUIRE_TESSERACT=1"
if [ -d "$data" ]; then required="$required DOYEN_REQUIRE_DATA=1"; fi
if unshare -rm true 2>/dev/null; then required="$required DOYEN_REQUIRE_DISK=1"; fi
echo "$required"
