#!/bin/sh
# Renders the scenes and their exact masks with POV-Ray (Debian: apt-get install povray povray-includes):
#   samples/scenes/render.sh samples/scenes
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
to=$(cd "$1" && pwd)
cd "$here"
for scene in chair glass hair plant teddy; do
  povray +I$scene.pov "+O$to/$scene.png" +W480 +H576 -A -D -V
  povray +I$scene.pov "+O$to/$scene-mask.png" +W480 +H576 +A0.2 -D -V Declare=Mask=1
done
