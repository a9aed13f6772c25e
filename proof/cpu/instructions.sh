#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# instructions.sh BITS FILE...: the instructions of objects, and of raw FILE.bin: a
# line with its bytes, a tab, and how objdump calls it, for each.
set -eu
machine=i386
if [ "$1" = 64 ]; then machine=i386:x86-64; fi
shift
for file; do
	case $file in
	*.bin) objdump -D -b binary -m $machine -w --insn-width=16 "$file" ;;
	*) objdump -d -w --insn-width=16 "$file" ;;
	esac
done | awk -F '\t' -v files=$# '/file format/ { files-- }
	$1 ~ /^ +[0-9a-f]+:$/ { sub(/ +$/, "", $2); print $2 "\t" $3 }
	END { exit files != 0 }'
