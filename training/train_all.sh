#!/usr/bin/env bash
# Trains, exports and evaluates the shipped models as their configurations say: lite-x2, then lite-x3 and lite-x4 from its
# trunk, then photo-x2, -x3 and -x4 from lite of 8 blocks, then base-x3 from lite-x3. Ten to twelve hours on two CPU cores.
#
#   ./train_all.sh --photos FOLDER --eval FOLDER --work FOLDER [--cache FOLDER] [--pause-file FILE] [--threads N]
#       [--precision fp32|bf16|auto] [--steps N] [--minutes N]
#
# --work holds checkpoints and logs; a second call resumes them. PYTHON names the interpreter (default: python3).
set -euo pipefail

main() {
  local here photos= eval= work= extra=()
  here=$(cd "$(dirname "$0")" && pwd)
  while [ $# -gt 0 ]; do
    case $1 in
      --photos) photos=$2 ;;
      --eval) eval=$2 ;;
      --work) work=$2 ;;
      --cache | --pause-file | --threads | --precision | --steps | --minutes) extra+=("$1" "$2") ;;
      *) echo "unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
  done
  local python=${PYTHON:-python3} name start models=$here/../models fixtures=$here/../Tests/Fixtures
  mkdir -p "$work"
  for name in lite-x2 lite-x3 lite-x4 photo-x2 photo-x3 photo-x4 base-x3; do
    case $name in
      lite-x2) start=() ;;
      lite-*) start=(--start "$work/lite-x2.pt.2") ;; # the last stages with 8 blocks, here and below
      photo-x2) start=(--start "$work/lite-x2.pt.2") ;;
      photo-x3) start=(--start "$work/lite-x3.pt.2") ;;
      photo-x4) start=(--start "$work/lite-x4.pt.1") ;;
      base-x3) start=(--start "$models/lite-x3.safetensors") ;;
    esac
    "$python" "$here/train.py" "$here/configs/$name.toml" --photos "$photos" --out "$work/$name.pt" "${start[@]}" "${extra[@]}" |
      tee -a "$work/$name.log"
    "$python" "$here/export.py" "$work/$name.pt" "$models/$name.safetensors" --eval "$eval" --fixtures "$fixtures" |
      tee -a "$work/$name.log"
  done
}

main "$@"
