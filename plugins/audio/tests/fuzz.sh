#!/bin/sh
# fuzz.sh SOURCE BUILD: builds the fuzz target with clang and AddressSanitizer and lets it run CAIRN_FUZZ_SECONDS (600),
# starting from the zoo. Skipped (77) without clang.
set -e
source=$1 build=$2 seconds=${CAIRN_FUZZ_SECONDS:-600}
compiler=$(command -v clang++-14 || command -v clang++) || { echo "skipped: there is no clang++"; exit 77; }
mkdir -p "$build/found"
cd "$source/plugins/audio"
# shellcheck disable=SC2046
"$compiler" -std=c++20 -O1 -g1 -fsanitize=fuzzer,address -I. -I.. -I../../core/include tests/fuzz_sound.cpp sound.cpp ffmpeg.cpp \
  ../media/ffmpeg.cpp ../../core/interface/error.cpp \
  $(pkg-config --cflags --libs sndfile libavcodec libavformat libavutil libswresample) \
  -o "$build/fuzz_sound"
zoo=${CAIRN_SHARED:-$source/../shared}/data/zoo/audio
[ -d "$zoo" ] || zoo=
cd "$build"
# libsndfile 1.2 forgets parts of Ogg files that it refuses.
printf 'leak:libvorbis\nleak:libsndfile\n' > known-leaks
export LSAN_OPTIONS=suppressions=known-leaks:print_suppressions=0
exec ./fuzz_sound -max_total_time="$seconds" -max_len=65536 -timeout=25 -rss_limit_mb=3000 found $zoo
