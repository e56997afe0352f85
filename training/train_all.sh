#!/bin/sh
# Train, export and measure all embedded models: ./training/train_all.sh [run folder]
# Needs two cores; the target trains beside draft and reward model.
set -eu

out=${1:-runs}
python=${PYTHON:-python}

"$python" -m training.train_tokenizer --out "$out"
"$python" -m training.train --role target --out "$out" >"$out/target.log" 2>&1 &
target=$!
"$python" -m training.train --role draft --out "$out"
"$python" -m training.train --role prm --out "$out"
wait "$target"
"$python" -m training.export --runs "$out"
"$python" -m training.evaluate

# Those that think go on from the weights just exported, with a tokenizer of six tokens more.
thinking=$out/thinking
"$python" -m training.train_tokenizer --thinking --out "$thinking"
for role in draft target prm; do
    "$python" -m training.train --role "thinking-$role" --out "$thinking"
done
"$python" -m training.export --runs "$thinking"
