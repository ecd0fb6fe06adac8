#!/bin/sh
# Chromium for the browser tests, installed with apt where it is missing.
set -eu
if command -v chromium >/dev/null 2>&1; then
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "==> Chromium is missing and there is no apt-get: install Chromium yourself, the browser tests need it"
  exit 0
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "==> Chromium is missing: run 'apt-get install chromium' as root, the browser tests need it"
    exit 0
  fi
  as_root="sudo -n"
fi
echo "==> Installing Chromium for the browser tests (a minute or two, once)"
$as_root apt-get update -qq
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
echo "==> $(chromium --version 2>/dev/null) is installed"
