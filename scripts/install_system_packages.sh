#!/bin/sh
# Chromium for the browser tests and Tesseract for those of text recognition, installed with apt where they are missing.
set -eu
missing=
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v tesseract >/dev/null 2>&1 || missing="$missing tesseract-ocr"
if [ -z "$missing" ]; then
  exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "==> There is no apt-get: install$missing yourself, tests need it"
  exit 0
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "==> Run 'apt-get install$missing' as root, tests need it"
    exit 0
  fi
  as_root="sudo -n"
fi
echo "==> Installing$missing for the tests (a minute or two, once)"
$as_root apt-get update -qq
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
echo "==> Installed$missing"
