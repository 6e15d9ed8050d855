#!/usr/bin/env bash
# cityscapesScripts 2.2.4 asks for any Pillow, but with Pillow 13 csCreateTrainIdInstanceImgs ends with "cannot write mode I
# as PNG": instance ids, and the panoptic labels made from them, need Pillow 12. csCreateTrainIdLabelImgs runs with both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
export CITYSCAPES_DATASET=$folder/city
mkdir -p "$CITYSCAPES_DATASET/gtFine/train/ulm"
cat > "$CITYSCAPES_DATASET/gtFine/train/ulm/ulm_000000_000019_gtFine_polygons.json" <<'JSON'
{"imgHeight": 64, "imgWidth": 128, "objects": [
  {"label": "road", "polygon": [[0, 32], [127, 32], [127, 63], [0, 63]]},
  {"label": "car", "polygon": [[20, 30], [60, 30], [60, 50], [20, 50]]}]}
JSON
for pillow in 12.3.0 13.0.0; do
  "$folder/venv/bin/pip" install -q cityscapesscripts==2.2.4 "pillow==$pillow"
  "$folder/venv/bin/csCreateTrainIdLabelImgs" > /dev/null
  if "$folder/venv/bin/csCreateTrainIdInstanceImgs" > "$folder/log" 2>&1; then said=written; else said=$(tail -n 1 "$folder/log"); fi
  echo "Pillow $pillow: labelTrainIds written; instanceTrainIds: $said"
  case $pillow in
    12.*) [ "$said" = written ] ;;
    *) [[ "$said" == *"cannot write mode I as PNG"* ]] ;;
  esac
done
