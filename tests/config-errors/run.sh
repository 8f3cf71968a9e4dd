#!/bin/bash
# Runs `cairn check` on every case here and compares what it says with the text beside it.
#   run.sh CAIRN PROBE_PLUGIN_FOLDER            compares; exit 1 if any case differs
#   run.sh CAIRN PROBE_PLUGIN_FOLDER --update   writes the texts anew: read the difference before you commit it
# A first line "# arguments: ..." holds further arguments of the case.
set -u
cairn=$1 plugins=$2 update=${3-}
cd "$(dirname "$0")" || exit 1
unset CAIRN_PLUGIN_PATH
built_in=$(dirname "$(dirname "$cairn")")/lib/cairn/plugins
failed=0 count=0
for case in *.toml; do
  read -r -a arguments <<<"$(sed -n '1s/^# arguments: //p' "$case")"
  said=$("$cairn" check "$case" --plugin-path "$plugins" "${arguments[@]}" 2>&1 >/dev/null)
  code=$?
  said=${said//"$plugins"/PROBE} said=${said//"$built_in"/BUILT_IN} said=${said//"$PWD"/HERE}
  expected=${case%.toml}.txt
  [ "$update" = --update ] && printf '%s\n' "$said" >"$expected"
  if [ "$code" != 2 ]; then
    echo "$case: exit code $code, expected 2"
    failed=1
  fi
  if ! diff -u --label "$expected" --label "$case" "$expected" <(printf '%s\n' "$said"); then failed=1; fi
  count=$((count + 1))
done
if ! "$cairn" check base/valid.toml --plugin-path "$plugins" >/dev/null; then
  echo "base/valid.toml is refused"
  failed=1
fi
echo "$count cases"
[ "$count" -ge 35 ] && exit $failed
echo "too few cases found"
exit 1
