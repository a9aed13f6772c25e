#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2016,SC2154 # common.sh; $1 is of perl
# Changes of save_stack.c: random operations find a difference to the model, or the
# program does not survive them.
. "$2/proof/mutants/common.sh"

# try NAME WANT PERL
try() {
	cp "$src/lib/save_stack.c" .
	if [ -n "$3" ]; then change save_stack.c "$3"; fi
	# shellcheck disable=SC2086 # a command line
	$cc -O2 -w -fno-plt -DACO_BUILDING_ -I"$src/include" -I"$src/lib" \
		-I"$src/lib/arch/$arch" -c save_stack.c -o save_stack.o
	cp "$libdir/libaco.a" .
	member=$(ar t libaco.a | grep save_stack)
	mv save_stack.o "$member"
	ar r libaco.a "$member"
	# shellcheck disable=SC2086 # a command line
	if env PROOF="$work" sh "$src/proof/trace/run.sh" "$dir" \
		"$src/include" $cc >trace.log 2>&1; then
		verdict "$1" "$2" same
	else
		verdict "$1" "$2" differs "$(sed -n '/^operation/p' trace.log | cut -c 1-90)"
	fi
}

try "as it is" same ''
no_red_zone=differs
if [ "$arch" = i386 ]; then no_red_zone=same; fi # there is none
try "no red zone" $no_red_zone 's/size_t most = ACO_RED_ZONE/size_t most = 0/'
try "zeros are not put back" differs 's/\t\taco_put_zeros_below\(end\);\n/\t\t;\n/'
try "zeros kept from others" differs 's/\t    !aco_has_zeros_below\(co->share_stack->align_retptr, live\)\)/\t    0)/'
try "a word too few" differs 's/(s->valid_sz = below \+ keep)/$1 - sizeof(void *)/'
try "size kept after the copy" differs 's/(copy\(to, s->ptr, s->valid_sz, co\);\n)\ts->valid_sz = 0;\n/$1/'
try "in place: zeros as words" differs 's/(move->words = )s->valid_sz/$1sz/'
try "owner not set" differs 's/\tsstk->owner = co;\n//'
try "no memory: goes on" differs 's/return need <= s->sz \? 0 : -1/return 0/'
try "no memory: owner lost" differs 's/(copy_out\(sstk->owner\) < 0\)\n)(\t\treturn -1)/$1\t\treturn sstk->owner = 0, -1/'
try "room for half of it" differs 's/if \(need > s->sz\)\n/if (need > 2 * s->sz)\n/'
finish
