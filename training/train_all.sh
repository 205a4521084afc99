#!/usr/bin/env bash
# Trains lite-x2, then lite-x3 and lite-x4 from its trunk, exports and evaluates each; ends at --minutes in all.
#
#   ./train_all.sh --photos FOLDER --eval FOLDER --work FOLDER [--minutes 78] [--cache FOLDER] [--pause-file FILE]
#       [--threads N] [--precision fp32|bf16|auto]
#
# --work holds checkpoints and logs; a second call resumes them. PYTHON names the interpreter (default: python3).
set -euo pipefail

main() {
  local here photos= eval= work= minutes=78 extra=()
  here=$(cd "$(dirname "$0")" && pwd)
  while [ $# -gt 0 ]; do
    case $1 in
      --photos) photos=$2 ;;
      --eval) eval=$2 ;;
      --work) work=$2 ;;
      --minutes) minutes=$2 ;;
      --cache | --pause-file | --threads | --precision) extra+=("$1" "$2") ;;
      *) echo "unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
  done
  local python=${PYTHON:-python3} end scale share start=() models=$here/../models fixtures=$here/../Tests/Fixtures
  end=$(($(date +%s) + minutes * 60))
  mkdir -p "$work"
  for scale in 2 3 4; do
    case $scale in 2) share=41 ;; 3) share=50 ;; 4) share=97 ;; esac  # percent of the time that is left
    local left=$(((end - $(date +%s)) * share / 6000)) name=lite-x$scale
    if [ $scale != 2 ]; then start=(--start "$work/lite-x2.pt"); fi
    "$python" "$here/train.py" "$here/configs/$name.toml" --photos "$photos" --out "$work/$name.pt" \
      --minutes "$left" "${start[@]}" "${extra[@]}" | tee -a "$work/$name.log"
    "$python" "$here/export.py" "$work/$name.pt" "$models/$name.safetensors" --eval "$eval" --fixtures "$fixtures" |
      tee -a "$work/$name.log"
  done
}

main "$@"
