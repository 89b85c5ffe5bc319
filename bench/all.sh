#!/bin/sh
# Every speed benchmark of training and inference, one after another, on whatever device there is:
#   pip install -c constraints.txt -e ".[train,bench]"
#   sh bench/all.sh FOLDER_OF_CIFAR10 > speed.md
# The folder is absolute or seen from the project's root; a picture is written to docs/.
set -e
cd "$(dirname "$0")/.."
data="${1:-uoft-cs/cifar10}"
if python -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then
    settings="auto no compile"
    recipe=""
else # what a CPU can do in minutes: a quarter of the seed network's width
    settings="auto no"
    recipe="--architecture pix2pix --width 16 --num_train_epochs 1 --train_batch_size 64"
fi
echo "## Steps" && python bench/train.py --settings $settings
echo "## Peers" && python bench/peers.py
echo "## Growth" && python bench/scaling.py
echo "## Time to quality" && python bench/quality.py --dataset_name "$data" -- --validation_steps 300 $recipe
echo "## Precision" && python bench/recipes.py precision --dataset_name "$data"
echo "## Inference" && python bench/inference.py
